import type { Request, Response } from 'express';
import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { iconCallerOf } from './iconCaller.ts';
import { newRoute } from './iconsRoute.ts';
import { startRefusal } from './refusals.ts';
import { BatchPath } from './requireBatch.ts';
import { startInTime } from './startInTime.ts';

type RetryDependencies = Pick<IconsRouteDependencies, 'environment' | 'requests'>;

const RetryStarted = z
  .object({
    batch_id: z.string(),
    images: z.int().meta({ description: 'How many are made again' }),
    status_url: z.string(),
  })
  .meta({ id: 'IconBatchRetryStarted' });

/** `POST /api/icons/batch/{id}/retry`: the failed images of a batch that has ended once more. */
export function retryRoute(dependencies: RetryDependencies): Route {
  return {
    ...newRoute(dependencies.environment),
    method: 'post',
    path: '/api/icons/batch/:id/retry',
    documentation: {
      summary: 'Generate the failed icons of a completed or failed batch again',
      description: 'The batch runs again, and keeps the icons that it has.',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        202: {
          description: 'It runs in the background',
          content: { 'application/json': { schema: RetryStarted } },
        },
        402: { description: 'The credits do not suffice, or the monthly limit is reached' },
        404: { description: 'No such batch of the caller' },
        409: { description: 'It has not ended, was cancelled, or none of its icons failed' },
        503: { description: 'The round before is still being closed; try again in a moment' },
      },
    },
    handle: (request, response) => retry(dependencies, request, response),
  };
}

async function retry(
  { requests, environment }: RetryDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batchId = `${request.params['id']}`;
  // One that comes later stands: its batch says so, and a repeat starts no second round.
  const started = await startInTime(environment, () => requests.retryFailed(batchId, iconCallerOf(request)));
  switch (started.kind) {
    case 'started': {
      const statusUrl = `/api/icons/batch/${batchId}/status`;
      response.setHeader('Location', statusUrl);
      answerJson(response, 202, {
        batch_id: batchId,
        images: started.images,
        status_url: statusUrl,
      } satisfies z.infer<typeof RetryStarted>);
      return;
    }
    case 'not-found':
      throw new NotFoundError('Batch not found');
    case 'nothing-failed':
      throw new ConflictError('The batch has not ended, was cancelled, or none of its icons failed');
    default:
      throw startRefusal(started, environment);
  }
}
