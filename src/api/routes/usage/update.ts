import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  isEventId,
  isRefused,
  readEventId,
  readReport,
  readUserName,
  type SentFields,
} from '../../../domain/usage/report.ts';
import { monotonicNow } from '../../../runtime/monotonicClock.ts';
import { answerJson } from '../../answer.ts';
import { readFields } from '../../body/readFields.ts';
import { ANSWER_MILLISECONDS, QUEUE_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, UnprocessableError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { UsageRouteDependencies } from './dependencies.ts';
import { LoggedData, loggedData } from './loggedData.ts';
import { requireSeller } from './refusals.ts';
import { ReportFields } from './reportFields.ts';

const BODY_LIMIT_BYTES = 64 * 1_024;

const Accepted = z
  .object({
    status: z.literal('success'),
    message: z.literal('Tools usage data logged successfully'),
    data: z.object({
      record_id: z.int(),
      userName: z.string(),
      user_id: z.int(),
      logged_data: LoggedData,
    }),
  })
  .meta({ id: 'UsageAccepted' });

/** `POST /api/tools/update`: one report, as every client since the first sends it. */
export function updateRoute(dependencies: UsageRouteDependencies): Route {
  return {
    method: 'post',
    path: '/api/tools/update',
    access: dependencies.contractAccess === 'open' ? 'open' : 'usage:report',
    errors: 'usage',
    cors: 'any',
    documentation: {
      summary: 'Report what a user made and what it cost',
      description:
        'Answered once the report is safely queued; it is in every total from then on. With an `Idempotency-Key` header or an `event_id` the same report again gets the first answer and adds no second row.',
      tags: ['Usage'],
      requestParams: { header: z.object({ 'Idempotency-Key': z.string().max(200).optional() }) },
      requestBody: {
        content: {
          'application/x-www-form-urlencoded': { schema: ReportFields },
          'application/json': { schema: ReportFields },
          'multipart/form-data': { schema: ReportFields },
        },
      },
      responses: {
        200: { description: 'Recorded', content: { 'application/json': { schema: Accepted } } },
        400: { description: 'A field is missing or cannot be taken' },
        404: { description: 'No such user, or not an active seller' },
        422: { description: 'The same event id was used with other fields' },
      },
    },
    example: {
      title: 'Report usage',
      command: (baseUrl) =>
        `curl -s ${baseUrl}/api/tools/update -d userName=demo.seller -d image_count=3 -d image_cost=0.0609 -d video_count=1 -d video_cost=6.4`,
    },
    handle: (request, response) => update(dependencies, request, response),
  };
}

async function update(
  dependencies: UsageRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const fields = withIdempotencyKey(await readFields(request, BODY_LIMIT_BYTES), request);
  // Counted from here: a client on a slow line has its own time limit for the body.
  const queueBefore = performance.now() + QUEUE_MILLISECONDS;
  await withinDeadline(
    ANSWER_MILLISECONDS,
    'The queue',
    record(dependencies, fields, queueBefore, request, response),
  );
}

async function record(
  { users, calendar, recorder }: UsageRouteDependencies,
  fields: SentFields,
  queueBefore: number,
  request: Request,
  response: Response,
): Promise<void> {
  const userName = readUserName(fields);
  if (isRefused(userName)) throw new BadRequestError(userName.refused);
  const user = await requireSeller(users, userName);
  const receivedAt = monotonicNow();
  const report = readReport(fields, receivedAt, calendar);
  if (isRefused(report)) throw new BadRequestError(report.refused);

  const { requestId } = request.context;
  const recorded = await recorder.record(
    { user_id: user.user_id, received_at: receivedAt, ...report },
    { requestId, queueBefore },
  );
  if (recorded.kind === 'conflict') {
    throw new UnprocessableError('This event id was used before with other fields');
  }
  const { event } = recorded;
  request.context.logFields = { userName: user.user_name, user_id: user.user_id, record_id: event.record_id };
  answerJson(response, 200, {
    status: 'success',
    message: 'Tools usage data logged successfully',
    data: {
      record_id: event.record_id,
      userName: user.user_name,
      user_id: user.user_id,
      logged_data: loggedData(event, calendar),
    },
  });
}

/** The header stands for the field. Both are fine when they say the same. */
function withIdempotencyKey(fields: SentFields, request: Request): SentFields {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return fields;
  if (typeof key !== 'string' || !isEventId(key))
    throw new BadRequestError('Invalid value for Idempotency-Key');
  const sent = readEventId(fields);
  if (sent !== undefined && sent !== key) {
    throw new BadRequestError('event_id and Idempotency-Key differ');
  }
  return { ...fields, event_id: key };
}
