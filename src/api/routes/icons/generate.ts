import type { Request, Response } from 'express';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import type { IconImage } from '../../../domain/icons/icon.ts';
import { readIconRequest } from '../../../domain/icons/readIconRequest.ts';
import { LONGEST_CATEGORY, LONGEST_ELEMENT, MOST_ELEMENTS } from '../../../domain/icons/requestFields.ts';
import { findImage } from '../../../models/iconImages.ts';
import { answerJson } from '../../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { BadRequestError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { IconFailedError, IconLateError } from './generateRefusals.ts';
import { iconCallerOf } from './iconCaller.ts';
import { contractRoute } from './iconsRoute.ts';
import { resultOf } from './imageResult.ts';
import { readJsonBody } from './jsonBody.ts';
import { startRefusal } from './refusals.ts';
import { startInTime } from './startInTime.ts';
import { markReplay, StartHeaders, startOnce } from './startOnce.ts';

/** How long a client waits for its icon; then it is told where to look. */
const WAIT_MILLISECONDS = 60_000;

const IconFields = z
  .object({
    category: z.string().max(LONGEST_CATEGORY).meta({ example: 'garden tools' }),
    style: z.string().nullish().meta({ example: 'modern' }),
    color_scheme: z.string().nullish().meta({ example: 'brand_colors' }),
    custom_elements: z
      .array(z.string().max(LONGEST_ELEMENT))
      .max(MOST_ELEMENTS)
      .nullish()
      .meta({ example: ['a spade'] }),
  })
  .meta({ id: 'IconRequest' });

const IconAnswer = z
  .object({
    success: z.literal(true),
    image_url: z.string(),
    local_path: z.string(),
    generation_time: z.number().meta({ description: 'Seconds' }),
    metadata: z.object({
      style: z.string(),
      color_scheme: z.string(),
      category: z.string(),
      prompt: z.string(),
      generation_time: z.number(),
      attempt: z.int(),
      model: z.string(),
    }),
  })
  .meta({ id: 'Icon' });

/** `POST /api/icons/generate`: one icon, made by a worker or taken from the cache, while the client waits. */
export function generateRoute(dependencies: IconsRouteDependencies): Route {
  return {
    ...contractRoute(dependencies.environment),
    method: 'post',
    path: '/api/icons/generate',
    documentation: {
      summary: 'Generate an icon',
      description:
        'Answers with the finished icon. After 60 seconds it answers 504 with the address at which its state can be read; it is made nevertheless, also when the client hangs up.',
      tags: ['Icons'],
      requestParams: { header: StartHeaders },
      requestBody: { content: { 'application/json': { schema: IconFields } } },
      responses: {
        200: { description: 'The icon', content: { 'application/json': { schema: IconAnswer } } },
        400: { description: 'A field that cannot be taken' },
        402: { description: 'The credits do not suffice, or the monthly limit is reached' },
        404: { description: 'What this Idempotency-Key started is not kept any more' },
        409: { description: 'The first request with this Idempotency-Key is under way' },
        422: { description: 'This Idempotency-Key was used before with another request' },
        500: { description: 'It could not be made' },
        504: { description: 'It is not ready yet' },
      },
    },
    handle: (request, response) => generate(dependencies, request, response),
  };
}

async function generate(
  dependencies: IconsRouteDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const { connection, requests, waiter, environment } = dependencies;
  const body = await readJsonBody(request);
  const read = readIconRequest(body);
  if (read.kind === 'refused') throw new BadRequestError(read.message);
  const started = await startInTime(environment, (answerBefore) =>
    startOnce(connection, request, body, async () => {
      const start = await requests.startIcon(read.request, iconCallerOf(request), answerBefore);
      if (start.kind !== 'started') throw startRefusal(start, environment);
      return start.image_id;
    }),
  );
  request.context.logFields = { image_id: started.id };
  markReplay(started, response);
  if (started.isReplay) {
    await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', requireKept(connection, started.id));
  }
  const image = await waiter.wait(started.id, WAIT_MILLISECONDS, goneOf(response));
  response.setHeader('Cache-Control', 'no-store');
  if (!image) throw new IconLateError(started.id);
  answerImage(dependencies, image, response);
}

/** A key is kept longer than the state of its icon. */
async function requireKept(connection: Connection, imageId: string): Promise<void> {
  if (!(await findImage(connection, imageId))) {
    throw new NotFoundError('The state of the icon of this Idempotency-Key is no longer kept');
  }
}

function goneOf(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return gone.signal;
}

/** In the contract's order of members. */
function answerImage(dependencies: IconsRouteDependencies, image: IconImage, response: Response): void {
  const result = resultOf(image, dependencies);
  if (!result.success) throw new IconFailedError(result);
  const { success, image_url, local_path, generation_time, metadata } = result;
  answerJson(response, 200, { success, image_url, local_path, generation_time, metadata });
}
