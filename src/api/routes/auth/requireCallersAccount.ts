import type { Request } from 'express';
import type { Connection } from 'mongoose';
import type { Account } from '../../../domain/accounts/account.ts';
import type { Scope } from '../../../domain/accounts/scopes.ts';
import { findActiveAccount } from '../../../models/accounts.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { ForbiddenError } from '../../errors.ts';

/**
 * The account that is logged in, as it is now.
 *
 * @throws ForbiddenError when the caller holds a key instead, or the account has just been disabled
 */
export async function requireCallersAccount(
  connection: Connection,
  request: Request,
): Promise<{ readonly account: Account; readonly scopes: readonly Scope[] }> {
  const { caller } = request.context;
  if (caller?.kind !== 'account') throw new ForbiddenError('This is for accounts; a key has none');
  const finding = findActiveAccount(connection, caller.account_id);
  const account = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', finding);
  if (!account) throw new ForbiddenError('The account has been disabled');
  return { account, scopes: caller.scopes };
}
