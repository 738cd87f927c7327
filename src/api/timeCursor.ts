import { BadRequestError } from './errors.ts';

/** Where a page of a list that is sorted by time and id ended. */
export interface TimePosition {
  readonly at: Date;
  readonly id: string;
}

/** An id of hexadecimal digits or of a UUID. */
const CURSOR = /^(\d{1,15}):([0-9a-f-]{1,40})$/;

export function encodeTimeCursor({ at, id }: TimePosition): string {
  return Buffer.from(`${at.getTime()}:${id}`).toString('base64url');
}

/** @throws BadRequestError when it is no cursor that was given out, as far as that shows */
export function decodeTimeCursor(cursor: string): TimePosition {
  const [, milliseconds, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? [];
  if (milliseconds === undefined || id === undefined) throw new BadRequestError('The cursor is not valid');
  return { at: new Date(Number(milliseconds)), id };
}
