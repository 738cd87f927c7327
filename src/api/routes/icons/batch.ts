import type { Request, Response } from 'express';
import { z } from 'zod';
import { MOST_CATEGORIES, MOST_VARIATIONS } from '../../../domain/icons/batchRequest.ts';
import { readBatchRequest } from '../../../domain/icons/readBatchRequest.ts';
import { LONGEST_CATEGORY, LONGEST_ELEMENT, MOST_ELEMENTS } from '../../../domain/icons/requestFields.ts';
import { answerJson } from '../../answer.ts';
import type { Route } from '../../route.ts';
import { BatchRefusedError } from './batchRefusal.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { iconCallerOf } from './iconCaller.ts';
import { contractRoute } from './iconsRoute.ts';
import { readJsonBody } from './jsonBody.ts';
import { startRefusal } from './refusals.ts';
import { startInTime } from './startInTime.ts';
import { markReplay, StartHeaders, startOnce } from './startOnce.ts';

type BatchDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'requests'>;

const BatchFields = z
  .object({
    categories: z
      .array(z.string().max(LONGEST_CATEGORY))
      .min(1)
      .max(MOST_CATEGORIES)
      .meta({ example: ['tools', 'toys'] }),
    style: z.string().nullish().meta({ example: 'modern' }),
    color_scheme: z.string().nullish().meta({ example: 'brand_colors' }),
    variations_per_category: z.int().min(1).max(MOST_VARIATIONS).nullish().meta({ example: 1 }),
    custom_elements: z
      .record(z.string(), z.array(z.string().max(LONGEST_ELEMENT)).max(MOST_ELEMENTS))
      .nullish()
      .meta({ example: { tools: ['a hammer'] } }),
    metadata: z.record(z.string(), z.unknown()).nullish(),
  })
  .meta({ id: 'IconBatchRequest' });

const BatchStarted = z.object({ message: z.string(), batch_id: z.uuid() }).meta({ id: 'IconBatchStarted' });

/** `POST /api/icons/generate/batch`: many icons, made in the background. */
export function batchRoute(dependencies: BatchDependencies): Route {
  const status = startedStatus(dependencies);
  return {
    ...contractRoute(dependencies.environment),
    method: 'post',
    path: '/api/icons/generate/batch',
    documentation: {
      summary: 'Start a batch of icons',
      description: `Up to ${MOST_CATEGORIES} categories with up to ${MOST_VARIATIONS} variations each. Each variation takes the next style of the list.`,
      tags: ['Icons'],
      requestParams: { header: StartHeaders },
      requestBody: { content: { 'application/json': { schema: BatchFields } } },
      responses: {
        [status]: {
          description: 'It runs in the background',
          content: { 'application/json': { schema: BatchStarted } },
        },
        400: { description: 'A field that cannot be taken; `errors` lists what is wrong' },
        402: { description: 'The credits do not suffice, or the monthly limit is reached' },
        409: { description: 'The first request with this Idempotency-Key is under way' },
        422: { description: 'This Idempotency-Key was used before with another request' },
      },
    },
    handle: (request, response) => startBatch(dependencies, request, response),
  };
}

/** The original's test scripts, which open mode is for, want 200. */
function startedStatus({ environment }: BatchDependencies): 200 | 201 {
  return environment.ICONS_OPEN_MODE ? 200 : 201;
}

async function startBatch(
  dependencies: BatchDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { connection, requests, environment } = dependencies;
  const body = await readJsonBody(request);
  const read = readBatchRequest(body);
  if (read.kind === 'refused') throw new BatchRefusedError(read.message, read.errors);
  const started = await startInTime(environment, (answerBefore) =>
    startOnce(connection, request, body, async () => {
      const start = await requests.startBatch(read.request, iconCallerOf(request), answerBefore);
      if (start.kind !== 'started') throw startRefusal(start, environment);
      return start.batch_id;
    }),
  );
  const batch_id = started.id;
  request.context.logFields = { batch_id };
  markReplay(started, response);
  answerJson(response, startedStatus(dependencies), { message: 'Batch generation started', batch_id });
}
