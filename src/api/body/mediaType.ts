import type { IncomingMessage } from 'node:http';
import { UnsupportedMediaTypeError } from '../errors.ts';

/** The kinds of body that the API reads; `none` has no content type, `other` is one that it cannot read. */
export type MediaType = 'json' | 'form' | 'multipart' | 'ndjson' | 'none' | 'other';

const MEDIA_TYPES: ReadonlyMap<string, MediaType> = new Map([
  ['application/json', 'json'],
  ['application/x-www-form-urlencoded', 'form'],
  ['multipart/form-data', 'multipart'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
]);

const CHARSET = /;\s*charset\s*=\s*"?([^";\s]+)"?/i;
const READABLE_CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * The kind of body that the request announces.
 *
 * @throws UnsupportedMediaTypeError for a text in another character set than UTF-8
 */
export function mediaTypeOf(request: IncomingMessage): MediaType {
  const header = request.headers['content-type'];
  if (header === undefined || header === '') return 'none';
  const exact = MEDIA_TYPES.get(header);
  if (exact) return exact;
  const essence = header.split(';', 1)[0] ?? '';
  const charset = CHARSET.exec(header)?.[1];
  if (charset !== undefined && !READABLE_CHARSETS.has(charset.toLowerCase())) {
    throw new UnsupportedMediaTypeError('The body has to be UTF-8');
  }
  return MEDIA_TYPES.get(essence.trim().toLowerCase()) ?? 'other';
}
