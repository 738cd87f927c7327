import type { Connection } from 'mongoose';
import type { Account } from '../../domain/accounts/account.ts';
import { findAccountByEmail, findActiveAccount } from '../../models/accounts.ts';
import type { TokenClaims } from './verdict.ts';

/**
 * The active account that a good token is for. There is none when it was disabled, or when its logins were ended after
 * the token was made.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function findTokenAccount(
  connection: Connection,
  claims: TokenClaims,
): Promise<Account | undefined> {
  if (claims.issuer === 'outside') {
    const account = await findAccountByEmail(connection, claims.email);
    return account?.status === 'active' ? account : undefined;
  }
  const account = await findActiveAccount(connection, claims.account_id);
  return account?.token_version === claims.token_version && account.kind === claims.account_kind
    ? account
    : undefined;
}
