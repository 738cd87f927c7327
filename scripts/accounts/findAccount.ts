import type { Connection } from 'mongoose';
import type { Account } from '../../src/domain/accounts/account.ts';
import { findAccount, findAccountByEmail, findAccountByUsername } from '../../src/models/accounts.ts';
import { CommandFailure } from '../command/failure.ts';

/**
 * The account with this id, e-mail address or user name.
 *
 * @throws {CommandFailure} when there is none, or the name means two accounts
 */
export async function requireAccount(connection: Connection, name: string): Promise<Account> {
  const byId = await findAccount(connection, name);
  if (byId) return byId;
  const byEmail = await findAccountByEmail(connection, name);
  const byUsername = await findAccountByUsername(connection, name);
  if (byEmail && byUsername && byEmail.account_id !== byUsername.account_id) {
    throw new CommandFailure(`${JSON.stringify(name)} means two accounts; use the id of one of them.`);
  }
  const account = byEmail ?? byUsername;
  if (account) return account;
  throw new CommandFailure(
    `There is no account ${JSON.stringify(name)}; npm run accounts -- list shows them.`,
  );
}
