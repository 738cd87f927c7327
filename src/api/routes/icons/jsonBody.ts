import type { Request } from 'express';
import { parseJson } from '../../body/json.ts';
import { readBody } from '../../body/readBody.ts';

const BODY_LIMIT_BYTES = 1_048_576;

/**
 * The JSON of a body, whatever content type the client gave it.
 *
 * @returns undefined for an empty or a blank body
 * @throws BadRequestError, BodyTooLargeError, RequestTimeoutError, UnsupportedMediaTypeError
 */
export async function readJsonBody(request: Request): Promise<unknown> {
  const bytes = await readBody(request, BODY_LIMIT_BYTES);
  return bytes.every(isBlank) ? undefined : parseJson(bytes);
}

/** White space of JSON: https://www.rfc-editor.org/rfc/rfc8259#section-2 */
function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
