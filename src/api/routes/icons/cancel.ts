import type { Request, Response } from 'express';
import { z } from 'zod';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { iconCallerOf } from './iconCaller.ts';
import { contractRoute } from './iconsRoute.ts';
import { BatchPath } from './requireBatch.ts';

type CancelDependencies = Pick<IconsRouteDependencies, 'environment' | 'requests'>;

/** `POST /api/icons/batch/{id}/cancel`: no image begins any more; those that run end by themselves. */
export function cancelRoute(dependencies: CancelDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'post',
    path: '/api/icons/batch/:id/cancel',
    documentation: {
      summary: 'Cancel a batch',
      description: 'No image of it begins any more. Those that are being made are finished.',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        200: {
          description: 'It is cancelled',
          content: { 'application/json': { schema: z.object({ message: z.string() }) } },
        },
        400: { description: 'No such batch of the caller, or it has ended' },
      },
    },
    handle: (request, response) => cancel(dependencies, request, response),
  };
}

/** The body, which may be empty, says nothing and is not read. */
async function cancel({ requests }: CancelDependencies, request: Request, response: Response): Promise<void> {
  const cancelling = requests.cancel(`${request.params['id']}`, iconCallerOf(request));
  const isCancelled = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', cancelling);
  if (!isCancelled) throw new BadRequestError('Batch not found or cannot be cancelled');
  answerJson(response, 200, { message: 'Batch cancelled successfully' });
}
