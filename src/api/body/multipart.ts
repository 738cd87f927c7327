import type { IncomingMessage } from 'node:http';
import busboy from 'busboy';
import { BadRequestError } from '../errors.ts';
import type { Fields } from './readFields.ts';

const MOST_FIELDS = 100;
const LONGEST_FIELD_NAME_BYTES = 200;

/**
 * Parses a multipart form that was read whole. Files are thrown away.
 *
 * @throws BadRequestError when it is malformed or has too many or too long fields
 */
export function parseMultipart(request: IncomingMessage, bytes: Buffer): Promise<Fields> {
  return new Promise((resolve, reject) => {
    const parser = createParser(request, bytes.length);
    const fields = new Map<string, string | string[]>();
    const refuse = (message: string) => {
      reject(new BadRequestError(message));
      parser.destroy();
    };
    parser.on('field', (name, value, { nameTruncated }) => {
      if (nameTruncated) return refuse(`A field's name is longer than ${LONGEST_FIELD_NAME_BYTES} bytes`);
      const earlier = fields.get(name);
      if (earlier === undefined) fields.set(name, value);
      else if (Array.isArray(earlier)) earlier.push(value);
      else fields.set(name, [earlier, value]);
    });
    parser.on('file', (_name, stream) => stream.resume());
    parser.on('fieldsLimit', () => refuse(`The form has more than ${MOST_FIELDS} fields`));
    parser.on('partsLimit', () => refuse(`The form has more than ${MOST_FIELDS} parts`));
    parser.on('error', () => refuse('The multipart form is malformed'));
    parser.on('close', () => resolve(Object.fromEntries(fields)));
    parser.end(bytes);
  });
}

function createParser(request: IncomingMessage, bodyBytes: number): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: 'utf8',
      limits: {
        fields: MOST_FIELDS,
        parts: MOST_FIELDS,
        fieldNameSize: LONGEST_FIELD_NAME_BYTES,
        // The body was read within its limit, so no field is cut.
        fieldSize: bodyBytes,
      },
    });
  } catch {
    throw new BadRequestError('The multipart form has no boundary');
  }
}
