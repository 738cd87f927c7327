import { createReadStream } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { CsvError, parse } from 'csv-parse';
import { readUserWithId, type User } from '../../src/domain/users/user.ts';
import { CommandFailure } from '../command/failure.ts';

/** A line of the file: a user, or why it is none. */
export type FileLine =
  | { readonly line: number; readonly user: User }
  | { readonly line: number; readonly bad: string };

const COLUMNS = ['userName', 'user_id', 'roles', 'status'] as const;
type Column = (typeof COLUMNS)[number];

/** A quote that is never closed would otherwise take in the rest of the file. */
const LARGEST_RECORD = 16_384;

/**
 * Reads the users of a CSV file one by one. An id or a name that stands in an earlier line makes a line a bad one.
 *
 * @throws {CommandFailure} when the file cannot be read, or is no CSV with the four columns
 */
export async function* readUserFile(file: string): AsyncGenerator<FileLine> {
  const seen = new SeenUsers();
  let header: ReadonlyMap<Column, number> | undefined;
  let width = 0;
  try {
    for await (const { line, cells } of readRecords(file)) {
      if (!header) {
        header = readHeader(cells);
        width = cells.length;
        continue;
      }
      if (cells.every((cell) => cell.trim() === '')) continue;
      if (cells.length !== width) {
        yield { line, bad: `${cells.length} fields, but the header has ${width}` };
        continue;
      }
      const user = readUserWithId(fieldsOf(cells, header));
      if ('refused' in user) yield { line, bad: user.refused };
      else yield seen.add(user, line);
    }
  } finally {
    seen.close();
  }
  if (!header)
    throw new CommandFailure(`${file} is empty; its first line has to name ${COLUMNS.join(', ')}.`);
}

interface FileRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

async function* readRecords(file: string): AsyncGenerator<FileRecord> {
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: LARGEST_RECORD,
  });
  const source = createReadStream(file);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { info, record } of parser) yield { line: info.lines, cells: record };
  } catch (error) {
    if (error instanceof CsvError) throw new CommandFailure(`${file} is not a CSV file: ${error.message}`);
    if (error instanceof Error && 'syscall' in error) {
      throw new CommandFailure(`${file} cannot be read: ${error.message}`);
    }
    throw error;
  } finally {
    source.destroy();
  }
}

function readHeader(cells: readonly string[]): ReadonlyMap<Column, number> {
  const names = cells.map((cell) => cell.trim());
  const wrong = COLUMNS.filter((column) => names.filter((name) => name === column).length !== 1);
  if (wrong.length > 0) {
    throw new CommandFailure(
      `The first line has to name each of ${COLUMNS.join(', ')} once, with commas between; ${wrong.join(', ')} is missing or named twice.`,
    );
  }
  return new Map(COLUMNS.map((column) => [column, names.indexOf(column)]));
}

function fieldsOf(cells: readonly string[], header: ReadonlyMap<Column, number>): Record<Column, string> {
  const cell = (column: Column) => cells[header.get(column) ?? -1] ?? '';
  return {
    userName: cell('userName'),
    user_id: cell('user_id'),
    roles: cell('roles'),
    status: cell('status'),
  };
}

/** The ids and names of the lines so far. SQLite keeps them in a temporary file of its own once they are many. */
class SeenUsers {
  readonly #database = new DatabaseSync('');
  readonly #find;
  readonly #insert;

  constructor() {
    this.#database.exec(
      'CREATE TABLE seen (user_id INTEGER PRIMARY KEY, user_name TEXT UNIQUE NOT NULL, line INTEGER NOT NULL) STRICT; BEGIN',
    );
    this.#find = this.#database.prepare(
      'SELECT user_id, line FROM seen WHERE user_id = ? OR user_name = ? ORDER BY line',
    );
    this.#insert = this.#database.prepare('INSERT INTO seen (user_id, user_name, line) VALUES (?, ?, ?)');
  }

  add(user: User, line: number): FileLine {
    const earlier = this.#find.get(user.user_id, user.user_name);
    if (earlier) {
      const repeated = earlier.user_id === user.user_id ? 'user_id' : 'userName';
      return { line, bad: `the same ${repeated} as in line ${earlier.line}` };
    }
    this.#insert.run(user.user_id, user.user_name, line);
    return { line, user };
  }

  close(): void {
    this.#database.close();
  }
}
