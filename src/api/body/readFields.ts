import type { IncomingMessage } from 'node:http';
import { parse as parseForm } from 'node:querystring';
import { UnsupportedMediaTypeError } from '../errors.ts';
import { parseJsonObject } from './json.ts';
import { mediaTypeOf } from './mediaType.ts';
import { parseMultipart } from './multipart.ts';
import { decodeUtf8, readBody } from './readBody.ts';

/**
 * The fields of a body by name, as sent. Names are flat: `userName[$ne]` is a field of that odd name. In a form every
 * value is a text, or a list of texts when the name was repeated; in JSON it is whatever the client wrote.
 */
export type Fields = Readonly<Record<string, unknown>>;

/** Pairs of a form are bounded by the body's size only. */
const FORM_OPTIONS = { maxKeys: 0 };

/**
 * Reads a body of fields: a form, a multipart form or a JSON object. An empty body without a content type has none.
 *
 * @throws UnsupportedMediaTypeError for any other content type; BadRequestError, BodyTooLargeError, RequestTimeoutError
 */
export async function readFields(request: IncomingMessage, limitBytes: number): Promise<Fields> {
  const mediaType = mediaTypeOf(request);
  const bytes = await readBody(request, limitBytes);
  switch (mediaType) {
    case 'form':
      return parseForm(decodeUtf8(bytes), '&', '=', FORM_OPTIONS);
    case 'json':
      return parseJsonObject(bytes);
    case 'multipart':
      return await parseMultipart(request, bytes);
    case 'none':
      if (bytes.length === 0) return {};
      throw new UnsupportedMediaTypeError('The body has no content type');
    default:
      throw new UnsupportedMediaTypeError(
        'Send application/json, application/x-www-form-urlencoded or multipart/form-data',
      );
  }
}
