import { BadRequestError } from '../errors.ts';
import { decodeUtf8 } from './readBody.ts';

/** Deepest nesting of objects and arrays in a JSON body. What reads it may then recurse safely. */
const DEEPEST_NESTING = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const BYTE_ORDER_MARK = '\uFEFF';

export class JsonTooDeepError extends BadRequestError {
  override name = 'JsonTooDeepError';

  constructor() {
    super(`The JSON is nested deeper than ${DEEPEST_NESTING} levels`);
  }
}

/**
 * Parses a JSON body. The nesting is counted before anything is built, so that a body of brackets costs no memory.
 *
 * @throws BadRequestError when it is not UTF-8 or not JSON, JsonTooDeepError
 */
export function parseJson(bytes: Buffer): unknown {
  if (isTooDeep(bytes)) throw new JsonTooDeepError();
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  } catch {
    throw new BadRequestError('The body is not valid JSON');
  }
}

/**
 * Parses a JSON body that has to be an object.
 *
 * @throws BadRequestError when it is something else, and what `parseJson` throws
 */
export function parseJsonObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  const value = parseJson(bytes);
  if (!isRecord(value)) throw new BadRequestError('The body has to be a JSON object');
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case OPENING_BRACE:
      case OPENING_BRACKET:
        depth += 1;
        if (depth > DEEPEST_NESTING) return true;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth -= 1;
        break;
    }
  }
  return false;
}

/** Position of the quote that ends the string which starts at `from`, or the end of the bytes. */
function endOfString(bytes: Buffer, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}
