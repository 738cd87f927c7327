import type { IncomingMessage } from 'node:http';
import { BadRequestError, UnsupportedMediaTypeError } from '../errors.ts';
import { isRecord, parseJson } from './json.ts';
import { mediaTypeOf } from './mediaType.ts';
import { decodeUtf8, readBody } from './readBody.ts';
import type { Fields } from './readFields.ts';

/** One event of a batch. One that is no object spoils only itself. */
export type SentEvent =
  | { readonly kind: 'fields'; readonly fields: Fields }
  | { readonly kind: 'unreadable'; readonly reason: string };

/**
 * Reads a body of many events: a JSON array, or NDJSON with one object a line, where blank lines do not count.
 *
 * @throws BadRequestError when it is no such list or has more than `mostEvents`; UnsupportedMediaTypeError,
 *   BodyTooLargeError, RequestTimeoutError
 */
export async function readEvents(
  request: IncomingMessage,
  limitBytes: number,
  mostEvents: number,
): Promise<SentEvent[]> {
  const mediaType = mediaTypeOf(request);
  if (mediaType !== 'json' && mediaType !== 'ndjson') {
    throw new UnsupportedMediaTypeError('Send application/json with an array, or application/x-ndjson');
  }
  const bytes = await readBody(request, limitBytes);
  return mediaType === 'json' ? readArray(bytes, mostEvents) : readLines(bytes, mostEvents);
}

function readArray(bytes: Buffer, mostEvents: number): SentEvent[] {
  const list = parseJson(bytes);
  if (!Array.isArray(list)) throw new BadRequestError('The body has to be a JSON array of events');
  if (list.length > mostEvents) throw tooMany(mostEvents);
  return list.map(toEvent);
}

/** Line by line: a body of nothing but line breaks must not become millions of texts. */
function readLines(bytes: Buffer, mostEvents: number): SentEvent[] {
  const text = decodeUtf8(bytes);
  const events: SentEvent[] = [];
  for (let start = 0; start < text.length; ) {
    const lineBreak = text.indexOf('\n', start);
    const end = lineBreak === -1 ? text.length : lineBreak;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '') continue;
    if (events.length === mostEvents) throw tooMany(mostEvents);
    events.push(readLine(line));
  }
  return events;
}

function tooMany(mostEvents: number): BadRequestError {
  return new BadRequestError(`A batch holds at most ${mostEvents} events; this one has more`);
}

function readLine(line: string): SentEvent {
  try {
    return toEvent(parseJson(Buffer.from(line)));
  } catch (error) {
    if (error instanceof BadRequestError) return { kind: 'unreadable', reason: error.message };
    throw error;
  }
}

function toEvent(value: unknown): SentEvent {
  return isRecord(value)
    ? { kind: 'fields', fields: value }
    : { kind: 'unreadable', reason: 'The event has to be a JSON object' };
}
