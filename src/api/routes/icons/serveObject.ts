import { createHash } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import type { ByteRange, ObjectStorage, StoredObject } from '../../../platforms/storage/objectStorage.ts';
import { BadObjectPathError } from '../../../platforms/storage/storageErrors.ts';
import { headersOf } from '../../answer.ts';
import { readRange } from '../../byteRange.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { HttpError } from '../../errors.ts';
import { sendStream } from '../../sendStream.ts';

export interface ServedFile {
  readonly path: string;
  readonly contentType: string;
  /** In place of those for files that every page may show. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the answer is, once the file was found. */
type Selection =
  | { readonly status: 200 | 206; readonly range: ByteRange; readonly stored: StoredObject }
  | { readonly status: 304 };

/** What is stored under a path never changes. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/** Answered with 416. */
export class RangeNotSatisfiableError extends HttpError {
  override name = 'RangeNotSatisfiableError';
  readonly status = 416;
  readonly #size: number;

  constructor(size: number) {
    super(`The file has ${size} bytes, and the range lies outside of them`);
    this.#size = size;
  }

  override get headers(): Readonly<Record<string, string>> {
    return { 'Content-Range': `bytes */${this.#size}` };
  }
}

/**
 * Answers with a stored file: whole, a range of it, or 304. Every page may show it unless its headers say otherwise.
 *
 * @returns false when there is no such file; nothing was answered then
 * @throws RangeNotSatisfiableError; ServiceUnavailableError when the storage does not answer in time
 */
export async function serveObject(
  storage: ObjectStorage,
  file: ServedFile,
  request: Request,
  response: Response,
): Promise<boolean> {
  const stored = await statInTime(storage, file.path, request);
  if (!stored) return false;
  const etag = etagOf(file.path, stored);
  const selection = select(request, stored, etag);
  if (selection.status === 304 || request.method === 'HEAD') {
    response.writeHead(selection.status, headersFor(selection, file, etag, response)).end();
    return true;
  }
  const range = selection.status === 206 ? selection.range : undefined;
  const stream = await readInTime(storage, file.path, range, request);
  if (!stream) return false;
  response.writeHead(selection.status, headersFor(selection, file, etag, response));
  await sendStream(stream, response);
  return true;
}

async function statInTime(
  storage: ObjectStorage,
  path: string,
  request: Request,
): Promise<StoredObject | undefined> {
  try {
    return await withinDeadline(timeLeft(request), 'The file storage', storage.stat(path));
  } catch (error) {
    if (error instanceof BadObjectPathError) return undefined;
    throw error;
  }
}

/** A stream that comes too late is closed. */
async function readInTime(
  storage: ObjectStorage,
  path: string,
  range: ByteRange | undefined,
  request: Request,
): Promise<Readable | undefined> {
  const reading = storage.read(path, range);
  try {
    return await withinDeadline(timeLeft(request), 'The file storage', reading);
  } catch (error) {
    reading.then(
      (late) => late?.destroy(),
      () => undefined,
    );
    throw error;
  }
}

/** Of the time in which a request has to be answered; what was done for it before counts too. */
export function timeLeft({ context }: Request): number {
  return Math.max(1, Math.ceil(ANSWER_MILLISECONDS - (performance.now() - context.startedAt)));
}

/** A strong one: the bytes under a path are the same as long as they were stored once. */
function etagOf(path: string, { size, modified_at }: StoredObject): string {
  const hash = createHash('sha256').update(`${path}\n${size}\n${modified_at}`);
  return `"${hash.digest('base64url').slice(0, 27)}"`;
}

/** @throws RangeNotSatisfiableError */
function select(request: Request, stored: StoredObject, etag: string): Selection {
  if (isNamed(request.get('If-None-Match'), etag)) return { status: 304 };
  const range = isWanted(request, etag) ? readRange(request.get('Range'), stored.size) : undefined;
  if (range === 'unsatisfiable') throw new RangeNotSatisfiableError(stored.size);
  return range
    ? { status: 206, range, stored }
    : { status: 200, range: { from: 0, to: stored.size - 1 }, stored };
}

/** `If-None-Match` compares weakly: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 */
function isNamed(list: string | undefined, etag: string): boolean {
  if (list === undefined) return false;
  return list.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
}

/** A range is for GET alone. `If-Range` compares strongly, and no date was ever given out that could match. */
function isWanted(request: Request, etag: string): boolean {
  const known = request.get('If-Range');
  return request.method === 'GET' && (known === undefined || known === etag);
}

function headersFor(
  selection: Selection,
  { contentType, headers: own }: ServedFile,
  etag: string,
  response: Response,
): OutgoingHttpHeaders {
  const validity = {
    ETag: etag,
    'Cache-Control': FOR_EVER,
    'Accept-Ranges': 'bytes',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Access-Control-Expose-Headers': 'ETag, Content-Range, Accept-Ranges',
    ...own,
  };
  if (selection.status === 304) {
    const { 'Content-Length': _none, ...headers } = headersOf(response, contentType, 0);
    return { ...headers, ...validity };
  }
  const { from, to } = selection.range;
  const headers = { ...headersOf(response, contentType, to - from + 1), ...validity };
  if (selection.status === 200) return headers;
  return { ...headers, 'Content-Range': `bytes ${from}-${to}/${selection.stored.size}` };
}
