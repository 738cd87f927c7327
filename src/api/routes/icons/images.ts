import type { Request, Response } from 'express';
import { z } from 'zod';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';
import { NotFoundError } from '../../errors.ts';
import type { Route, RouteDocumentation } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { serveObject } from './serveObject.ts';

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['webp', 'image/webp'],
]);

/** What an answer with a stored file can be. */
export const FILE_ANSWERS = {
  206: { description: 'The range that was asked for' },
  304: { description: 'It is what `If-None-Match` names' },
  416: { description: 'The range lies outside of the file' },
} as const;

/**
 * `GET /api/images/{path}`: a stored image. They are open, because `<img src>` sends no credential, and the path may have
 * one folder.
 */
export function imageRoutes({ storage }: Pick<IconsRouteDependencies, 'storage'>): readonly Route[] {
  const shared = {
    method: 'get',
    access: 'open',
    errors: 'icons',
    cors: 'any',
    undecodable: () => new ImageNotFoundError(),
  } as const;
  return [
    {
      ...shared,
      path: '/api/images/:folder/:file',
      documentation: {
        ...documentationOf('A stored icon'),
        requestParams: { path: z.object({ folder: z.string(), file: z.string() }) },
      },
      handle: ({ params: { folder, file } }, response) => serveImage(storage, `${folder}/${file}`, response),
    },
    {
      ...shared,
      path: '/api/images/:file',
      documentation: {
        ...documentationOf('A stored icon outside of any folder'),
        requestParams: { path: z.object({ file: z.string() }) },
      },
      handle: ({ params: { file } }, response) => serveImage(storage, `${file}`, response),
    },
    // Every other path below is answered in the contract's words too.
    {
      ...shared,
      path: '/api/images{/*path}',
      handle: () => {
        throw new ImageNotFoundError();
      },
    },
  ];
}

function documentationOf(summary: string): RouteDocumentation {
  return {
    summary,
    description:
      'It never changes, so it may be kept for ever. Ranges and conditional requests are answered.',
    tags: ['Icons'],
    responses: {
      200: { description: 'The image', content: { 'image/png': {}, 'image/jpeg': {}, 'image/webp': {} } },
      ...FILE_ANSWERS,
      404: { description: 'No such image' },
    },
  };
}

async function serveImage(storage: ObjectStorage, path: string, response: Response): Promise<void> {
  if (!isInOneFolder(path)) throw new ImageNotFoundError();
  const request: Request = response.req;
  const contentType = CONTENT_TYPES.get(path.slice(path.lastIndexOf('.') + 1));
  if (!contentType || !(await serveObject(storage, { path, contentType }, request, response))) {
    throw new ImageNotFoundError();
  }
}

/** A parameter of the address may hold a `/` that was written as `%2F`, and lead to what is not given out here. */
export function isInOneFolder(path: string): boolean {
  return path.split('/').length <= 2;
}

/** In the words of the contract, which knows nothing else for what is no image, however it is written. */
export class ImageNotFoundError extends NotFoundError {
  override name = 'ImageNotFoundError';

  constructor() {
    super('Image not found');
  }

  /** It may be stored in a moment, so nobody keeps this answer. */
  override get headers(): Readonly<Record<string, string>> {
    return { 'Cache-Control': 'no-store' };
  }
}
