import type { Request, Response } from 'express';
import { isActive } from '../../../domain/icons/batch.ts';
import type { IconImage } from '../../../domain/icons/icon.ts';
import { findBatchImages } from '../../../models/iconImages.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { sendStream } from '../../sendStream.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { newRoute } from './iconsRoute.ts';
import { BatchPath, requireBatch } from './requireBatch.ts';
import { timeLeft } from './serveObject.ts';
import { type ZipEntry, zipOf } from './zipStream.ts';

export type ZipDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'storage'>;

/** `GET /api/icons/batch/{id}/zip`: all icons of a finished batch in one archive. */
export function batchZipRoute(dependencies: ZipDependencies): Route {
  return {
    ...newRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batch/:id/zip',
    documentation: {
      summary: 'The icons of a finished batch as a zip archive',
      description: 'In the order of the request. Images that failed, and icons deleted since, are left out.',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        200: { description: 'The archive', content: { 'application/zip': {} } },
        404: { description: 'No such batch, or it has no icons' },
        409: { description: 'The batch is not finished' },
      },
    },
    async handle(request, response) {
      const entries = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', entriesOf(dependencies, request));
      await sendZip(dependencies, entries, request, response);
    },
  };
}

async function entriesOf(dependencies: ZipDependencies, request: Request): Promise<readonly ZipEntry[]> {
  const batch = await requireBatch(dependencies, request);
  if (isActive(batch)) throw new ConflictError('The batch is not finished yet');
  const images = await findBatchImages(dependencies.connection, batch.batch_id);
  const entries = images.flatMap(entryOf);
  if (entries.length === 0) throw new NotFoundError('The batch has no icons');
  return entries;
}

/** Its place stands in front, so that no name is there twice; the folder was made safe when the icon was stored. */
function entryOf({ index, style, file }: IconImage): ZipEntry[] {
  if (!file) return [];
  const name = `${String(index + 1).padStart(3, '0')}_${file.folder}_${style}.png`;
  return [{ name, path: file.path, modified_at: file.created_at }];
}

/** The headers wait for the first piece, so that a storage that is away is still answered with 503. */
async function sendZip(
  { storage }: ZipDependencies,
  entries: readonly ZipEntry[],
  request: Request,
  response: Response,
): Promise<void> {
  const pieces = zipOf(storage, entries);
  const first = await firstInTime(pieces, request);
  response.writeHead(200, {
    'Content-Type': 'application/zip',
    'Content-Disposition': `attachment; filename="icons-${request.params['id']}.zip"`,
    'Cache-Control': 'no-store',
    'X-Request-Id': request.context.requestId,
    'X-Content-Type-Options': 'nosniff',
  });
  if (request.method === 'HEAD') {
    await pieces.return();
    response.end();
  } else {
    try {
      await sendStream(goOn(first, pieces), response);
    } finally {
      // Whoever has not begun to go on does not close what comes behind.
      await pieces.return();
    }
  }
}

async function firstInTime(pieces: AsyncGenerator<Uint8Array>, request: Request): Promise<Uint8Array> {
  try {
    const first = await withinDeadline(timeLeft(request), 'The file storage', pieces.next());
    return first.value;
  } catch (error) {
    // Behind the step that is late; it closes what was opened.
    void pieces.return(undefined).catch(() => undefined);
    throw error;
  }
}

async function* goOn(
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield first;
  yield* rest;
}
