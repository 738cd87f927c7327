import type { Request, Response } from 'express';
import { z } from 'zod';
import { type IconBatch, isActive } from '../../../domain/icons/batch.ts';
import type { IconImage } from '../../../domain/icons/icon.ts';
import { readBatchMetadata } from '../../../models/iconBatchMetadata.ts';
import { findBatchImages } from '../../../models/iconImages.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { optionalTimeText, secondsNumber, timeText } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { contractRoute } from './iconsRoute.ts';
import { resultOf } from './imageResult.ts';
import { BatchPath, requireBatch } from './requireBatch.ts';

type ResultDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'storage'>;

const NO_RESULT = 'Batch result not found';

const BatchResult = z
  .object({
    batch_id: z.string(),
    total_requested: z.int(),
    successful: z.int(),
    failed: z.int(),
    start_time: z.iso.datetime(),
    end_time: z.iso.datetime().nullable(),
    duration: z
      .number()
      .meta({ description: 'Seconds from start_time to end_time, also those before a retry' }),
    results: z.array(
      z.object({
        success: z.boolean(),
        image_url: z.string().nullable(),
        local_path: z.string().nullable(),
        error: z.string().nullable(),
        metadata: z.record(z.string(), z.unknown()),
        generation_time: z.number().meta({ description: 'Seconds' }),
      }),
    ),
    metadata: z.record(z.string(), z.unknown()).nullable().meta({ description: "The request's own" }),
  })
  .meta({ id: 'IconBatchResult' });

/** `GET /api/icons/batch/{id}/result` */
export function resultRoute(dependencies: ResultDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batch/:id/result',
    documentation: {
      summary: 'What became of a finished batch',
      description:
        'Its images in the order of the request: category by category, and variation by variation. Of a cancelled batch what was done.',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        200: { description: 'The result', content: { 'application/json': { schema: BatchResult } } },
        404: { description: 'No such batch of the caller, or it is not finished' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answerResult(dependencies, request, response)),
  };
}

async function answerResult(
  dependencies: ResultDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batch = await requireBatch(dependencies, request, NO_RESULT);
  if (isActive(batch)) throw new NotFoundError(NO_RESULT);
  response.setHeader('Cache-Control', 'no-store');
  if (batch.status === 'failed') {
    answerJson(response, 200, crashResult(batch));
    return;
  }
  const [images, metadata] = await Promise.all([
    findBatchImages(dependencies.connection, batch.batch_id),
    readBatchMetadata(dependencies.connection, batch.batch_id),
  ]);
  const done = images.filter(({ status }) => status === 'succeeded' || status === 'failed');
  // Counted here: of a cancelled batch an image may have ended since the batch was read.
  const successful = done.filter(({ status }) => status === 'succeeded').length;
  answerJson(response, 200, {
    ...resultHead(batch, successful, done.length - successful),
    results: done.map((image) => itemOf(image, dependencies)),
    metadata,
  });
}

/** Of a batch that broke as a whole, as the contract shows it: what was delivered all the same is in the cache. */
function crashResult(batch: IconBatch) {
  return { ...resultHead(batch, 0, batch.total), results: [], metadata: { error: batch.error } };
}

function resultHead(batch: IconBatch, successful: number, failed: number) {
  const { batch_id, total, created_at, started_at, completed_at } = batch;
  const start = started_at ?? created_at;
  return {
    batch_id,
    total_requested: total,
    successful,
    failed,
    start_time: timeText(start),
    end_time: optionalTimeText(completed_at),
    duration: secondsNumber(Math.max(0, (completed_at ?? start) - start)),
  };
}

function itemOf(image: IconImage, dependencies: ResultDependencies) {
  const result = resultOf(image, dependencies);
  const { batch_id, variation, total_variations } = image;
  return { ...result, metadata: { ...result.metadata, batch_id, variation, total_variations } };
}
