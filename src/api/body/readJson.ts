import type { IncomingMessage } from 'node:http';
import { UnsupportedMediaTypeError } from '../errors.ts';
import { parseJson } from './json.ts';
import { mediaTypeOf } from './mediaType.ts';
import { readBody } from './readBody.ts';

/**
 * Reads a JSON body.
 *
 * @throws UnsupportedMediaTypeError for another content type; BadRequestError, BodyTooLargeError, RequestTimeoutError
 */
export async function readJson(request: IncomingMessage, limitBytes: number): Promise<unknown> {
  if (mediaTypeOf(request) !== 'json') throw new UnsupportedMediaTypeError('Send application/json');
  return parseJson(await readBody(request, limitBytes));
}
