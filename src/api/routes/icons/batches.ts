import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  BATCH_STATUSES,
  completedCategories,
  type IconBatch,
  progressOf,
} from '../../../domain/icons/batch.ts';
import { listBatches } from '../../../models/iconBatches.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { optionalTimeText, timeText } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { iconCallerOf } from './iconCaller.ts';
import { contractRoute } from './iconsRoute.ts';

type BatchesDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment'>;

/** The contract knows no pages; the newest are shown. */
const MOST_LISTED = 1_000;

const BatchSummary = z
  .object({
    batch_id: z.string(),
    status: z.enum(BATCH_STATUSES),
    progress: z.int().min(0).max(100),
    total_categories: z.int(),
    completed_categories: z.int(),
    created_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
    current_category: z.string().nullable(),
  })
  .meta({ id: 'IconBatchSummary' });

/** `GET /api/icons/batches`: those of the caller, newest first. */
export function batchesRoute(dependencies: BatchesDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batches',
    documentation: {
      summary: "The caller's batches",
      description: `Newest first, at most ${MOST_LISTED}. Finished ones are kept for a day, unless configured otherwise.`,
      tags: ['Icons'],
      responses: {
        200: {
          description: 'The batches',
          content: { 'application/json': { schema: z.array(BatchSummary) } },
        },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answerBatches(dependencies, request, response)),
  };
}

async function answerBatches(
  { connection }: BatchesDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batches = await listBatches(connection, iconCallerOf(request).owner, MOST_LISTED);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, batches.map(summaryOf));
}

function summaryOf(batch: IconBatch): z.infer<typeof BatchSummary> {
  return {
    batch_id: batch.batch_id,
    status: batch.status,
    progress: progressOf(batch),
    total_categories: batch.categories.length,
    completed_categories: completedCategories(batch),
    created_at: timeText(batch.created_at),
    completed_at: optionalTimeText(batch.completed_at),
    current_category: batch.current_category,
  };
}
