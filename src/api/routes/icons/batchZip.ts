import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { archiveFolder, archivePath } from '../../../domain/icons/archivePath.ts';
import { isActive } from '../../../domain/icons/batch.ts';
import type { IconImage } from '../../../domain/icons/icon.ts';
import { findBatch } from '../../../models/iconBatches.ts';
import { findPaths } from '../../../models/iconFiles.ts';
import { findBatchImages } from '../../../models/iconImages.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { Route } from '../../route.ts';
import { sendStream } from '../../sendStream.ts';
import { ArchiveKeeper } from './archiveKeeper.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { newRoute } from './iconsRoute.ts';
import { FILE_ANSWERS } from './images.ts';
import { BatchPath, requireBatch } from './requireBatch.ts';
import { serveObject, timeLeft } from './serveObject.ts';
import { type ZipEntry, zipOf } from './zipStream.ts';

export type ZipDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'storage'>;

const ZIP = 'application/zip';

/** `GET /api/icons/batch/{id}/zip`: all icons of a finished batch in one archive. */
export function batchZipRoute(dependencies: ZipDependencies): Route {
  const keeper = new ArchiveKeeper(dependencies.storage);
  return {
    ...newRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batch/:id/zip',
    documentation: {
      summary: 'The icons of a finished batch as a zip archive',
      description:
        'In the order of the request. Images that failed, and icons deleted since, are left out. From the second time on ranges and conditional requests are answered.',
      tags: ['Icons'],
      requestParams: { path: BatchPath },
      responses: {
        200: { description: 'The archive', content: { 'application/zip': {} } },
        ...FILE_ANSWERS,
        404: { description: 'No such batch, or it has no icons' },
        409: { description: 'The batch is not finished' },
      },
    },
    async handle(request, response) {
      const archive = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', archiveOf(dependencies, request));
      const kept = { path: archive.path, contentType: ZIP, headers: headersOf(archive) };
      if (await serveObject(dependencies.storage, kept, request, response)) return;
      await sendNew(dependencies, keeper, archive, request, response);
    },
  };
}

/** What is in an archive, and where it is kept. */
interface Archive {
  readonly batch_id: string;
  readonly entries: readonly ZipEntry[];
  readonly path: string;
}

async function archiveOf({ connection }: ZipDependencies, request: Request): Promise<Archive> {
  const batch = await requireBatch({ connection }, request);
  if (isActive(batch)) throw new ConflictError('The batch is not finished yet');
  const images = (await findBatchImages(connection, batch.batch_id)).filter(
    ({ status }) => status === 'succeeded',
  );
  const files = images.flatMap(({ file }) => file?.path ?? []);
  const listed = new Set(await findPaths(connection, files));
  const entries = images.flatMap(entryOf).filter(({ path }) => listed.has(path));
  if (entries.length === 0) throw new NotFoundError('The batch has no icons');
  const contentHash = createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 32);
  return { batch_id: batch.batch_id, entries, path: archivePath(batch.batch_id, contentHash) };
}

/** Its place stands in front, so that no name is there twice; the folder was made safe when the icon was stored. */
function entryOf({ index, style, file }: IconImage): ZipEntry[] {
  if (!file) return [];
  const name = `${String(index + 1).padStart(3, '0')}_${file.folder}_${style}.png`;
  return [{ name, path: file.path, modified_at: file.created_at }];
}

/** It is the owner's, and another one once an icon was deleted or made again. */
function headersOf({ batch_id }: Pick<Archive, 'batch_id'>): Record<string, string> {
  return {
    'Content-Disposition': `attachment; filename="icons-${batch_id}.zip"`,
    'Cache-Control': 'private, no-cache',
    'Cross-Origin-Resource-Policy': 'same-origin',
  };
}

/** Makes it while it is sent. The headers wait for the first piece, so that a storage that is away is still answered with 503. */
async function sendNew(
  { connection, storage }: ZipDependencies,
  keeper: ArchiveKeeper,
  archive: Archive,
  request: Request,
  response: Response,
): Promise<void> {
  const missing: string[] = [];
  const pieces = keeper.keep(zipOf(storage, archive.entries, missing), {
    path: archive.path,
    folder: archiveFolder(archive.batch_id),
    isWhole: () => missing.length === 0,
    isWanted: async () => (await findBatch(connection, archive.batch_id)) !== undefined,
    onError: (error) => request.context.logger.warn({ err: error }, 'An archive could not be kept'),
  });
  const first = await firstInTime(pieces, request);
  response.writeHead(200, {
    'Content-Type': ZIP,
    ...headersOf(archive),
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
