import type { IncomingMessage } from 'node:http';
import busboy from 'busboy';
import { BadRequestError } from '../errors.ts';
import type { Fields } from './readFields.ts';

const MOST_FIELDS = 100;
const LONGEST_FIELD_NAME_BYTES = 200;

/**
 * Parses a multipart form that was read whole. Files are thrown away; a part without a file name is a field, whatever its
 * type.
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
    const add = (name: string, value: string) => {
      const earlier = fields.get(name);
      if (earlier === undefined) fields.set(name, value);
      else if (Array.isArray(earlier)) earlier.push(value);
      else fields.set(name, [earlier, value]);
    };
    // busboy's types do not say that there is no text in a character set that it does not know.
    parser.on('field', (name, value: string | undefined, { nameTruncated }) => {
      if (nameTruncated) refuse(`A field's name is longer than ${LONGEST_FIELD_NAME_BYTES} bytes`);
      else if (value === undefined)
        refuse(`The field ${name} is in a character set that cannot be read; send UTF-8`);
      else add(name, value);
    });
    parser.on('file', (name, stream, { filename }: { readonly filename: string | undefined }) => {
      if (filename !== undefined) {
        stream.resume();
        return;
      }
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => add(name, Buffer.concat(chunks).toString('utf8')));
    });
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
