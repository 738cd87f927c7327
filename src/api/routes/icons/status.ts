import type { Request, Response } from 'express';
import { z } from 'zod';
import { BATCH_STATUSES, completedCategories, progressOf } from '../../../domain/icons/batch.ts';
import { estimatedCompletion } from '../../../domain/icons/estimatedCompletion.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { Route } from '../../route.ts';
import { optionalTimeText, timeText } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { contractRoute } from './iconsRoute.ts';
import { BatchPath, requireBatch } from './requireBatch.ts';

type StatusDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment'>;

const BatchStatus = z
  .object({
    batch_id: z.string(),
    status: z.enum(BATCH_STATUSES),
    progress: z.int().min(0).max(100),
    current_category: z.string().nullable(),
    total_categories: z.int(),
    completed_categories: z.int(),
    estimated_completion: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().nullable(),
    completed_at: z.iso.datetime().nullable(),
    total_requested: z.int().meta({ description: 'Images' }),
    successful: z.int(),
    failed: z.int(),
  })
  .meta({ id: 'IconBatchStatus' });

/** `GET /api/icons/batch/{id}/status` */
export function statusRoute(dependencies: StatusDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batch/:id/status',
    documentation: {
      summary: 'How far a batch is',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        200: { description: 'Its state', content: { 'application/json': { schema: BatchStatus } } },
        404: { description: 'No such batch of the caller' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answerStatus(dependencies, request, response)),
  };
}

async function answerStatus(
  dependencies: StatusDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batch = await requireBatch(dependencies, request);
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    batch_id: batch.batch_id,
    status: batch.status,
    progress: progressOf(batch),
    current_category: batch.current_category,
    total_categories: batch.categories.length,
    completed_categories: completedCategories(batch),
    estimated_completion: optionalTimeText(estimatedCompletion(batch, Date.now())),
    created_at: timeText(batch.created_at),
    started_at: optionalTimeText(batch.started_at),
    completed_at: optionalTimeText(batch.completed_at),
    total_requested: batch.total,
    successful: batch.successful,
    failed: batch.failed,
  } satisfies z.infer<typeof BatchStatus>);
}
