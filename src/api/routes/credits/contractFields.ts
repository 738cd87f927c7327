/**
 * What the credits and workspace contract says of the fields that its clients send. Its texts are the ones that the
 * clients know.
 */
import type { Request } from 'express';
import { LONGEST_TEXT } from '../../../domain/credits/limits.ts';
import { JsonTooDeepError, parseJsonObject } from '../../body/json.ts';
import { readBody } from '../../body/readBody.ts';
import type { Fields } from '../../body/readFields.ts';
import { BadRequestError, UnauthorizedError } from '../../errors.ts';

const BODY_LIMIT_BYTES = 1_048_576;

/** Most characters of an id, a code or a name. A text for people may hold what somebody asked an app for, word by word. */
const LONGEST_NAME = 200;

const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Reads a JSON object, whatever the content type says: it is the only kind of body that the contract knows, so a client
 * that names another or none is answered too.
 *
 * @throws BadRequestError in the contract's words, and what `readBody` throws
 */
export async function readContractBody(request: Request, limitBytes = BODY_LIMIT_BYTES): Promise<Fields> {
  const bytes = await readBody(request, limitBytes);
  try {
    return parseJsonObject(bytes);
  } catch (error) {
    // That is valid JSON, and our own limit: the contract has no word for it.
    if (error instanceof JsonTooDeepError || !(error instanceof BadRequestError)) throw error;
    throw new BadRequestError('Invalid JSON body');
  }
}

/**
 * Refuses a body that lacks one of the fields. Null, an empty text and a zero count as missing, as they did on the
 * contract's first server.
 *
 * @throws BadRequestError that names all of them
 */
export function requireFields(fields: Fields, names: readonly string[]): void {
  if (names.some((name) => isMissing(fields[name]))) {
    throw new BadRequestError(`Missing required fields: ${names.join(', ')}`);
  }
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}

/** @throws BadRequestError when it is anything but a whole number above zero that can be counted exactly */
export function positiveInteger(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw new BadRequestError(`${name} must be a positive integer`);
  }
  return value;
}

/**
 * An id, a code or a name: opaque, but short and without control characters.
 *
 * @throws BadRequestError
 */
export function nameField(fields: Fields, name: string): string {
  return checkedName(fields[name], name);
}

/**
 * A text for people.
 *
 * @throws BadRequestError
 */
export function textField(fields: Fields, name: string): string {
  return checkedText(fields[name], name, LONGEST_TEXT);
}

/**
 * A text of any length, which something else bounds.
 *
 * @throws BadRequestError
 */
export function longTextField(fields: Fields, name: string): string {
  return checkedText(fields[name], name, Number.POSITIVE_INFINITY);
}

/** True for a field that was left out or is null: it then has its default. */
export function isAbsent(fields: Fields, name: string): boolean {
  return fields[name] === undefined || fields[name] === null;
}

/**
 * The user that a GET asks about.
 *
 * @throws UnauthorizedError without one: odd, but what the clients know
 */
export function queriedUserId(request: Request): string {
  const userId = queriedText(request, 'user_id');
  if (userId === undefined) throw new UnauthorizedError('User ID required', 'Bearer realm="millrace"');
  return userId;
}

/**
 * A parameter of the query. Of a repeated one the first counts, and an empty one is none, as on the contract's first
 * server.
 *
 * @throws BadRequestError
 */
export function queriedText(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name];
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return first === undefined || first === '' ? undefined : checkedName(first, name);
}

function checkedName(value: unknown, name: string): string {
  const text = checkedText(value, name, LONGEST_NAME);
  if (CONTROL_CHARACTER.test(text)) throw new BadRequestError(`${name} must not contain control characters`);
  return text;
}

function checkedText(value: unknown, name: string, longest: number): string {
  if (typeof value !== 'string') throw new BadRequestError(`${name} must be a string`);
  if (value.length > longest) throw new BadRequestError(`${name} must be at most ${longest} characters`);
  // Half of a surrogate pair is no character: the store would keep another text than was sent.
  if (!value.isWellFormed()) throw new BadRequestError(`${name} must be valid Unicode`);
  return value;
}
