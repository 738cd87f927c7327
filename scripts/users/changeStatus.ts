import type { Connection } from 'mongoose';
import type { User } from '../../src/domain/users/user.ts';
import { findUsersByName, setUserStatus } from '../../src/models/users.ts';
import { CommandFailure } from '../command/failure.ts';
import { asTable } from './print.ts';

/**
 * Sets the status of the user that the name means: its exact owner, else the only one that differs in case only.
 *
 * @throws {CommandFailure} when nobody has the name, or several have it in other cases
 */
export async function changeStatus(connection: Connection, userName: string, status: number): Promise<User> {
  const user = await findOne(connection, userName.trim());
  const changed = await setUserStatus(connection, user.user_id, status);
  if (!changed) throw new CommandFailure(`${JSON.stringify(userName)} has just been removed.`);
  return changed;
}

async function findOne(connection: Connection, userName: string): Promise<User> {
  const candidates = await findUsersByName(connection, [userName]);
  const exact = candidates.find((user) => user.user_name === userName);
  const [only, ...others] = exact ? [exact] : candidates;
  if (!only) {
    throw new CommandFailure(
      `There is no user named ${JSON.stringify(userName)}; npm run users -- list shows them.`,
    );
  }
  if (others.length > 0) {
    throw new CommandFailure(
      `Several users differ from ${JSON.stringify(userName)} in case only; write one of these names exactly:\n${asTable(candidates)}`,
    );
  }
  return only;
}
