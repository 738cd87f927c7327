import { BadRequestError } from '../../errors.ts';

const PART = /^[A-Za-z0-9-]{1,100}$/;

/** @param parts - the place of the last item of the page, in letters, digits and `-` */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(parts.join(':')).toString('base64url');
}

/** @throws BadRequestError when the text is no cursor of so many parts */
export function decodeCursor(cursor: string, length: number): readonly string[] {
  const parts = Buffer.from(cursor, 'base64url').toString('latin1').split(':');
  if (parts.length !== length || !parts.every((part) => PART.test(part))) {
    throw new BadRequestError('cursor is not one that was given out');
  }
  return parts;
}
