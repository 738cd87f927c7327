import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  RENDITION_FORMATS,
  RENDITION_SIZES,
  type Rendition,
  Renditions,
  renditionPath,
  renditionType,
} from '../../../platforms/images/renditions.ts';
import { BadObjectPathError } from '../../../platforms/storage/storageErrors.ts';
import { withinDeadline } from '../../deadline.ts';
import { badRequestFrom, UnprocessableError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { FILE_ANSWERS, ImageNotFoundError, isInOneFolder } from './images.ts';
import { serveObject, timeLeft } from './serveObject.ts';

type RenditionDependencies = Pick<IconsRouteDependencies, 'storage'>;

const IconPath = z.object({
  folder: z.string().meta({ example: 'garden_tools' }),
  file: z.string().meta({ example: 'garden_tools_20260105_093000_1a2b3c4d.png' }),
});

const RenditionQuery = z.object({
  size: z.coerce
    .number()
    .pipe(z.literal(RENDITION_SIZES))
    .meta({
      description: 'Width and height in pixels',
      type: 'integer',
      enum: [...RENDITION_SIZES],
    }),
  format: z.enum(RENDITION_FORMATS).default('png'),
});

const ANSWERS = {
  ...FILE_ANSWERS,
  404: { description: 'No such icon' },
  422: { description: 'The icon is smaller than that' },
  503: { description: 'Too many are being made; it is asked for again in a moment' },
} as const;

/** Other shapes of stored icons, made at the first time and kept. As open as the icons themselves. */
export function renditionRoutes(dependencies: RenditionDependencies): readonly Route[] {
  const renditions = new Renditions(dependencies.storage);
  const shared = { method: 'get', access: 'open', errors: 'problem', cors: 'any' } as const;
  const serve = (rendition: Rendition, request: Request, response: Response) =>
    serveRendition(dependencies, renditions, rendition, request, response);
  return [
    {
      ...shared,
      path: '/api/icons/renditions/:folder/:file',
      documentation: {
        summary: 'An icon in another size or format',
        description:
          'A square with the whole icon. Sizes above that of the icon are refused. It is made at the first request and kept.',
        tags: ['Icons'],
        requestParams: { path: IconPath, query: RenditionQuery },
        responses: {
          200: { description: 'The image', content: { 'image/png': {}, 'image/webp': {} } },
          400: { description: 'A size or format that is not offered' },
          ...ANSWERS,
        },
      },
      handle(request, response) {
        const query = RenditionQuery.safeParse(request.query);
        if (!query.success) throw badRequestFrom(query.error, 'query');
        return serve({ kind: 'image', ...query.data }, request, response);
      },
    },
    {
      ...shared,
      path: '/api/icons/renditions/:folder/:file/favicon.ico',
      documentation: {
        summary: 'An icon as a favicon',
        description: 'With images of 16, 32 and 48 pixels. It is made at the first request and kept.',
        tags: ['Icons'],
        requestParams: { path: IconPath },
        responses: { 200: { description: 'The favicon', content: { 'image/x-icon': {} } }, ...ANSWERS },
      },
      handle: (request, response) => serve({ kind: 'favicon' }, request, response),
    },
  ];
}

async function serveRendition(
  { storage }: RenditionDependencies,
  renditions: Renditions,
  rendition: Rendition,
  request: Request,
  response: Response,
): Promise<void> {
  const original = `${request.params['folder']}/${request.params['file']}`;
  if (!isInOneFolder(original) || !original.endsWith('.png')) throw new ImageNotFoundError();
  const file = { path: renditionPath(original, rendition), contentType: renditionType(rendition) };
  if (await serveObject(storage, file, request, response)) return;
  await makeInTime(renditions, original, rendition, request);
  if (!(await serveObject(storage, file, request, response))) throw new ImageNotFoundError();
}

/** What is not ready in time is made and kept nevertheless, and there when the client comes back. */
async function makeInTime(
  renditions: Renditions,
  original: string,
  rendition: Rendition,
  request: Request,
): Promise<void> {
  const outcome = await withinDeadline(
    timeLeft(request),
    'Resizing images',
    renditions.make(original, rendition),
  ).catch((error: unknown) => {
    if (error instanceof BadObjectPathError) throw new ImageNotFoundError();
    throw error;
  });
  if (outcome.kind === 'no-original') throw new ImageNotFoundError();
  if (outcome.kind === 'too-large') {
    throw new UnprocessableError(`The icon has ${outcome.original} pixels; it is not made larger`);
  }
}
