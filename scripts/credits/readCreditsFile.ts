import type { ImportedUser } from '../../src/models/ledgerImport.ts';
import { readTable } from '../command/readTable.ts';

/** A line of the file: a user, or why it is none. */
export type FileLine =
  | { readonly line: number; readonly user: ImportedUser }
  | { readonly line: number; readonly bad: string };

const COLUMNS = ['user_id', 'username', 'email', 'credits'] as const;
const LONGEST = { user_id: 200, username: 255, email: 254 } as const;
const WHOLE_NUMBER = /^\d{1,16}$/;
const CONTROL_OR_HALF_CHARACTER = /[\p{Cc}\p{Cs}]/u;
/** What a decoder puts in the place of bytes that are not UTF-8: the true text is lost. */
const REPLACEMENT_CHARACTER = '\ufffd';

/**
 * Reads the users of a CSV file one by one. An id that stands in an earlier line makes a line a bad one.
 *
 * @throws {CommandFailure} when the file cannot be read, or is no CSV with the four columns
 */
export async function* readCreditsFile(file: string): AsyncGenerator<FileLine> {
  const seen = new Map<string, number>();
  for await (const row of readTable(file, COLUMNS)) {
    if ('bad' in row) {
      yield row;
      continue;
    }
    const { line, cell } = row;
    const user = readUser(cell);
    const earlier = 'bad' in user ? undefined : seen.get(user.user_id);
    if ('bad' in user) yield { line, bad: user.bad };
    else if (earlier !== undefined) yield { line, bad: `the same user_id as in line ${earlier}` };
    else {
      seen.set(user.user_id, line);
      yield { line, user };
    }
  }
}

function readUser(
  cell: (column: (typeof COLUMNS)[number]) => string,
): ImportedUser | { readonly bad: string } {
  for (const column of ['user_id', 'username', 'email'] as const) {
    const text = cell(column).trim();
    // A user who was created at the first contact has none.
    const wrong = text === '' && column === 'email' ? undefined : whatIsWrongWith(text, LONGEST[column]);
    if (wrong) return { bad: `${column} ${wrong}` };
  }
  const credits = Number(cell('credits').trim());
  if (!WHOLE_NUMBER.test(cell('credits').trim()) || !Number.isSafeInteger(credits)) {
    return { bad: `credits has to be a whole number from 0 up, not ${JSON.stringify(cell('credits'))}` };
  }
  return {
    user_id: cell('user_id').trim(),
    username: cell('username').trim(),
    email: cell('email').trim(),
    credits,
  };
}

function whatIsWrongWith(text: string, longest: number): string | undefined {
  if (text === '') return 'is empty';
  if (text.length > longest) return `is longer than ${longest} characters`;
  if (CONTROL_OR_HALF_CHARACTER.test(text)) return 'holds a control character';
  if (text.includes(REPLACEMENT_CHARACTER)) return 'is not written in UTF-8';
  return undefined;
}
