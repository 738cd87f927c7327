import type { Request } from 'express';
import { parseJson } from '../../body/json.ts';
import { readBody } from '../../body/readBody.ts';

const BODY_LIMIT_BYTES = 1_048_576;

/**
 * The JSON of a body, whatever content type the client gave it.
 *
 * @returns undefined for an empty body
 * @throws BadRequestError, BodyTooLargeError, RequestTimeoutError, UnsupportedMediaTypeError
 */
export async function readJsonBody(request: Request): Promise<unknown> {
  const bytes = await readBody(request, BODY_LIMIT_BYTES);
  return bytes.length === 0 ? undefined : parseJson(bytes);
}
