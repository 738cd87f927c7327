import type { Request, Response } from 'express';
import { z } from 'zod';
import type { ImageStatus } from '../../../domain/icons/icon.ts';
import { findImage } from '../../../models/iconImages.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { optionalTimeText, timeText } from './contractValues.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { mayRead } from './iconCaller.ts';
import { newRoute } from './iconsRoute.ts';
import { imageUrl } from './imageUrl.ts';

type StatusDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment'>;

const ImageState = z
  .object({
    image_id: z.string(),
    batch_id: z.string().nullable(),
    status: z.enum(['pending', 'running', 'succeeded', 'failed', 'cancelled']),
    category: z.string(),
    style: z.string(),
    color_scheme: z.string(),
    variation: z.int(),
    attempts: z.int().meta({ description: 'Calls of the provider that were begun' }),
    error: z.string().nullable().meta({ description: 'Why it failed or was cancelled' }),
    image_url: z.string().nullable(),
    asked_at: z.iso.datetime(),
    finished_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'IconImage' });

/** Where the state of an image can be read. */
export function imagePath(imageId: string): string {
  return `/api/icons/images/${imageId}`;
}

/** `GET /api/icons/images/{id}`: what became of one wanted image. */
export function imageStatusRoute(dependencies: StatusDependencies): Route {
  return {
    ...newRoute(dependencies.environment),
    method: 'get',
    path: imagePath(':id'),
    documentation: {
      summary: 'The state of one icon',
      description: 'Of a single one, or one of a batch. It can be read as long as that of a batch.',
      tags: ['Icons'],
      requestParams: { path: z.object({ id: z.string() }) },
      responses: {
        200: { description: 'Its state', content: { 'application/json': { schema: ImageState } } },
        404: { description: 'No such icon' },
      },
    },
    handle: (request, response) =>
      withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', answerState(dependencies, request, response)),
  };
}

async function answerState(
  { connection, environment }: StatusDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const image = await findImage(connection, `${request.params['id']}`);
  if (!image || !mayRead(request, image)) throw new NotFoundError('There is no such icon');
  const { image_id, batch_id, status, category, style, color_scheme, variation, attempts, error } = image;
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    image_id,
    batch_id,
    status: shownStatus(status),
    category,
    style,
    color_scheme,
    variation,
    attempts,
    error,
    image_url: status === 'succeeded' && image.file ? imageUrl(environment, image.file.path) : null,
    asked_at: timeText(image.asked_at),
    finished_at: optionalTimeText(image.finished_at),
  } satisfies z.infer<typeof ImageState>);
}

/** The charging of an icon is no status of its own for clients. */
function shownStatus(status: ImageStatus): z.infer<typeof ImageState>['status'] {
  return status === 'delivering' ? 'running' : status;
}
