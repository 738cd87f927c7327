import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  isEventId,
  isRefused,
  type RefusedField,
  readReport,
  readUserName,
} from '../../../domain/usage/report.ts';
import { mayReportUsage } from '../../../domain/users/seller.ts';
import type { User } from '../../../domain/users/user.ts';
import type { Recorded, Submission } from '../../../producers/usage/recordUsage.ts';
import { monotonicNow } from '../../../runtime/monotonicClock.ts';
import { answerJson } from '../../answer.ts';
import { readEvents, type SentEvent } from '../../body/readEvents.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { UsageRouteDependencies } from './dependencies.ts';
import { NOT_A_SELLER } from './refusals.ts';
import { ReportFields } from './reportFields.ts';

const BODY_LIMIT_BYTES = 16 * 1_024 * 1_024;
const MOST_EVENTS = 10_000;
/** When nothing of a batch is queued any more. Longer than for a single report: it is queued as a whole or not at all. */
const BATCH_QUEUE_MILLISECONDS = 5_000;

const Result = z
  .discriminatedUnion('status', [
    z.object({ status: z.literal('accepted'), record_id: z.int() }),
    z.object({ status: z.literal('duplicate'), record_id: z.int().meta({ description: "The first one's" }) }),
    z.object({ status: z.literal('refused'), reason: z.string() }),
  ])
  .meta({ id: 'UsageBatchResult' });
type EventResult = z.infer<typeof Result>;

const BatchAnswer = z
  .object({
    accepted: z.int(),
    duplicates: z.int(),
    refused: z.int(),
    results: z.array(Result).meta({ description: 'One for each event, in order' }),
  })
  .meta({ id: 'UsageBatchAnswer' });

/** `POST /api/tools/update/batch`: many reports at once, each answered for itself. */
export function batchRoute(dependencies: UsageRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/tools/update/batch',
    access: 'usage:write',
    errors: 'problem',
    limit: 'by-events',
    documentation: {
      summary: 'Report up to 10,000 events at once',
      description:
        'A JSON array, or one JSON object a line (NDJSON). Every event is answered for itself: a bad one does not sink the others. With an `Idempotency-Key` header an event without an `event_id` of its own gets the id `<key>/<position>`, so that the whole batch can be sent again.',
      tags: ['Usage'],
      requestParams: { header: z.object({ 'Idempotency-Key': z.string().max(190).optional() }) },
      requestBody: {
        content: {
          'application/json': { schema: z.array(ReportFields).max(MOST_EVENTS) },
          'application/x-ndjson': { schema: z.string() },
        },
      },
      responses: {
        200: {
          description: 'An answer for each event',
          content: { 'application/json': { schema: BatchAnswer } },
        },
        400: { description: 'The body is no list of at most 10,000 events' },
      },
    },
    handle: (request, response) => batch(dependencies, request, response),
  };
}

async function batch(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batchKey = batchKeyOf(request);
  const events = await readEvents(request, BODY_LIMIT_BYTES, MOST_EVENTS);
  await dependencies.eventLimit.charge(request, response, events.length);
  const { requestId } = request.context;
  const queueBefore = performance.now() + BATCH_QUEUE_MILLISECONDS;
  const submissions = await withinDeadline(
    ANSWER_MILLISECONDS,
    'MongoDB',
    toSubmissions(dependencies, events, batchKey),
  );
  const acceptable = submissions.filter((submission): submission is Submission => !isRefused(submission));
  const recorded = await dependencies.recorder.recordAll(acceptable, { requestId, queueBefore });

  let position = 0;
  const results = submissions.map((submission): EventResult => {
    if (isRefused(submission)) return { status: 'refused', reason: submission.refused };
    return resultOf(recorded[position++]);
  });
  const count = (status: EventResult['status']) =>
    results.filter((result) => result.status === status).length;
  const counts = { accepted: count('accepted'), duplicates: count('duplicate'), refused: count('refused') };
  request.context.logFields = counts;
  answerJson(response, 200, { ...counts, results });
}

type ReadEvent = Submission | RefusedField;

async function toSubmissions(
  { users, calendar }: UsageRouteDependencies,
  events: readonly SentEvent[],
  batchKey: string | undefined,
): Promise<ReadEvent[]> {
  const receivedAt = monotonicNow();
  const names = events.map((event) =>
    event.kind === 'fields' ? readUserName(event.fields) : { refused: event.reason },
  );
  const known = await lookUp(users, new Set(names.filter((name) => typeof name === 'string')));
  return events.map((event, index): ReadEvent => {
    const name = names[index];
    if (typeof name === 'object') return name;
    const user = name === undefined ? undefined : known.get(name);
    if (event.kind !== 'fields' || !user || !mayReportUsage(user)) return { refused: NOT_A_SELLER };
    const report = readReport(event.fields, receivedAt, calendar);
    if (isRefused(report)) return report;
    const submission = { user_id: user.user_id, received_at: receivedAt, ...report };
    if (batchKey === undefined || report.event_id !== undefined) return submission;
    return { ...submission, event_id: `${batchKey}/${index}` };
  });
}

async function lookUp(
  users: UsageRouteDependencies['users'],
  names: ReadonlySet<string>,
): Promise<Map<string, User | undefined>> {
  return new Map(await Promise.all([...names].map(async (name) => [name, await users.find(name)] as const)));
}

function resultOf(recorded: Recorded | undefined): EventResult {
  switch (recorded?.kind) {
    case 'accepted':
      return { status: 'accepted', record_id: recorded.event.record_id };
    case 'duplicate':
      return { status: 'duplicate', record_id: recorded.event.record_id };
    case 'conflict':
      return { status: 'refused', reason: 'This event id was used before with other fields' };
    case undefined:
      throw new Error('An event of the batch got no outcome');
  }
}

function batchKeyOf(request: Request): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  // The position that is put behind it has to fit into an event id too.
  if (typeof key !== 'string' || !isEventId(`${key}/${MOST_EVENTS}`)) {
    throw new BadRequestError('Idempotency-Key has to be 1 to 190 characters without control characters');
  }
  return key;
}
