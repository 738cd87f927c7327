import { DatabaseSync } from 'node:sqlite';
import { readUserWithId, type User } from '../../src/domain/users/user.ts';
import { readTable } from '../command/readTable.ts';

/** A line of the file: a user, or why it is none. */
export type FileLine =
  | { readonly line: number; readonly user: User }
  | { readonly line: number; readonly bad: string };

const COLUMNS = ['userName', 'user_id', 'roles', 'status'] as const;

/**
 * Reads the users of a CSV file one by one. An id or a name that stands in an earlier line makes a line a bad one.
 *
 * @throws {CommandFailure} when the file cannot be read, or is no CSV with the four columns
 */
export async function* readUserFile(file: string): AsyncGenerator<FileLine> {
  const seen = new SeenUsers();
  try {
    for await (const row of readTable(file, COLUMNS)) {
      if ('bad' in row) {
        yield row;
        continue;
      }
      const { line, cell } = row;
      const user = readUserWithId({
        userName: cell('userName'),
        user_id: cell('user_id'),
        roles: cell('roles'),
        status: cell('status'),
      });
      if ('refused' in user) yield { line, bad: user.refused };
      else yield seen.add(user, line);
    }
  } finally {
    seen.close();
  }
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
