import type { Account } from '../../../domain/accounts/account.ts';
import { passwordProblem } from '../../../domain/accounts/password.ts';
import { findLinkedAccount, usePasswordLink } from '../../../models/accountPasswordLinks.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { AuthRouteDependencies } from './dependencies.ts';

/** What came of setting a password by a one-time link. */
export type PasswordSetting =
  | { readonly kind: 'set'; readonly account: Account }
  /** The link is unknown, used or expired. */
  | { readonly kind: 'no-link' }
  /** It cannot be a password; the link stays good. */
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * Sets the password of the account that a one-time link is for, and ends its logins.
 *
 * @throws ServiceUnavailableError
 */
export function setPasswordByLink(
  dependencies: AuthRouteDependencies,
  token: string,
  password: string,
): Promise<PasswordSetting> {
  return withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', setByLink(dependencies, token, password));
}

async function setByLink(
  { connection, passwords }: AuthRouteDependencies,
  token: string,
  password: string,
): Promise<PasswordSetting> {
  const linked = await findLinkedAccount(connection, token);
  if (!linked) return { kind: 'no-link' };
  const problem = passwordProblem(password, linked.kind);
  if (problem !== undefined) return { kind: 'refused', problem };
  const account = await usePasswordLink(connection, token, await passwords.hash(password));
  return account ? { kind: 'set', account } : { kind: 'no-link' };
}
