import type { Request, Response } from 'express';
import { z } from 'zod';
import { eventKey } from '../../../domain/usage/eventKey.ts';
import type { UsageEvent } from '../../../domain/usage/report.ts';
import { findRecordsByEventKey } from '../../../models/usage.ts';
import { findUsersById } from '../../../models/users.ts';
import { type FoundRecord, findRecord } from '../../../producers/usage/findRecord.ts';
import { voidRecord } from '../../../producers/usage/voidRecord.ts';
import { monotonicNow } from '../../../runtime/monotonicClock.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, QUEUE_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { UsageRouteDependencies } from './dependencies.ts';
import { LoggedData, loggedData } from './loggedData.ts';

const RecordPath = z.object({ record_id: z.string().regex(/^\d+$/).meta({ example: '4711' }) });

const UsageRecord = z
  .object({
    record_id: z.int(),
    state: z.enum(['queued', 'stored']),
    userName: z.string().nullable(),
    user_id: z.int(),
    received_at: z.iso.datetime(),
    event_id: z.string().nullable(),
    logged_data: LoggedData,
    voids: z.int().nullable().meta({ description: 'On a counter entry: the record that it takes back' }),
    voided_by: z.int().nullable().meta({ description: 'The counter entry that takes this record back' }),
  })
  .meta({ id: 'UsageRecord' });

/** Single reports, by the id that their acceptance gave them. */
export function recordRoutes(dependencies: UsageRouteDependencies): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/api/tools/records/:record_id',
      access: 'usage:read',
      errors: 'problem',
      documentation: {
        summary: 'One accepted report, queued or stored',
        tags: ['Usage'],
        requestParams: { path: RecordPath },
        responses: {
          200: { description: 'The report', content: { 'application/json': { schema: UsageRecord } } },
          404: { description: 'No report has this id' },
        },
      },
      handle: (request, response) =>
        withinDeadline(ANSWER_MILLISECONDS, 'The stores', showRecord(dependencies, request, response)),
    },
    {
      method: 'post',
      path: '/api/tools/records/:record_id/void',
      access: 'usage:write',
      errors: 'problem',
      audit: 'usage-record.void',
      documentation: {
        summary: 'Take a wrong report back',
        description:
          'Adds a counter entry with the negated amounts at the same moment. The report itself stays. Asking again gives the same entry.',
        tags: ['Usage'],
        requestParams: { path: RecordPath },
        responses: {
          200: { description: 'The counter entry', content: { 'application/json': { schema: UsageRecord } } },
          404: { description: 'No report has this id' },
          409: { description: 'It is itself a counter entry' },
        },
      },
      handle: (request, response) =>
        withinDeadline(ANSWER_MILLISECONDS, 'The stores', takeBack(dependencies, request, response)),
    },
  ];
}

async function showRecord(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const found = await requireRecord(dependencies, request);
  answerJson(response, 200, await view(dependencies, found));
}

async function takeBack(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const queueBefore = performance.now() + QUEUE_MILLISECONDS;
  const wrong = await requireRecord(dependencies, request);
  if (wrong.event.voids !== undefined) {
    throw new ConflictError('This record is itself a counter entry and cannot be taken back');
  }
  const { requestId } = request.context;
  const counter = await voidRecord(dependencies.recorder, wrong.event, monotonicNow(), {
    requestId,
    queueBefore,
  });
  const found = await findRecord(dependencies, counter.event.record_id);
  request.context.logFields = {
    user_id: wrong.event.user_id,
    record_id: counter.event.record_id,
    voids: wrong.event.record_id,
  };
  answerJson(response, 200, await view(dependencies, found ?? { state: 'queued', event: counter.event }));
}

async function requireRecord(dependencies: UsageRouteDependencies, request: Request): Promise<FoundRecord> {
  const recordId = Number(RecordPath.safeParse(request.params).data?.record_id);
  const found = Number.isSafeInteger(recordId) ? await findRecord(dependencies, recordId) : undefined;
  if (!found) throw new NotFoundError('No report has this id');
  return found;
}

async function view(
  dependencies: UsageRouteDependencies,
  { state, event }: FoundRecord,
): Promise<Record<string, unknown>> {
  const [user] = await findUsersById(dependencies.connection, [event.user_id]);
  return {
    record_id: event.record_id,
    state,
    userName: user?.user_name ?? null,
    user_id: event.user_id,
    received_at: new Date(event.received_at).toISOString(),
    event_id: event.event_id ?? null,
    logged_data: loggedData(event, dependencies.calendar),
    voids: event.voids ?? null,
    voided_by: await voidedBy(dependencies, event),
  };
}

/**
 * Redis first: a counter entry moves from there to MongoDB. Whoever holds the key there is a counter entry only when it was
 * queued, which it was not if its time was over.
 */
async function voidedBy(dependencies: UsageRouteDependencies, event: UsageEvent): Promise<number | null> {
  const { connection, pending } = dependencies;
  const key = eventKey({ user_id: event.user_id, voids: event.record_id });
  if (key === undefined || event.voids !== undefined) return null;
  const [holder] = await pending.holdersOf([key]);
  const queued = holder && (await findRecord(dependencies, holder.record_id));
  const stored = (await findRecordsByEventKey(connection, [key])).get(key);
  return stored?.record_id ?? queued?.event.record_id ?? null;
}
