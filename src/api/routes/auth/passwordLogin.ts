import type { Request } from 'express';
import type { AccountKind } from '../../../domain/accounts/account.ts';
import {
  type AccountWithPassword,
  findFailuresForgotten,
  findLogin,
  type LoginName,
  renewPasswordHash,
} from '../../../models/accounts.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { look } from './look.ts';
import { beginSession, requireTokens, type TokenPair } from './tokenPair.ts';

export interface PasswordLogin {
  readonly name: LoginName;
  readonly password: string;
  /** Of the accounts that may log in this way. */
  readonly kinds: readonly AccountKind[];
}

/**
 * Checks the password and begins a session. Whether the name, the kind or the password was wrong is told to nobody, and
 * takes the same time.
 *
 * @returns nothing when the credentials are wrong
 * @throws TooManyRequestsError, ServiceUnavailableError
 */
export function logIn(
  dependencies: AuthRouteDependencies,
  request: Request,
  login: PasswordLogin,
): Promise<TokenPair | undefined> {
  return withinDeadline(ANSWER_MILLISECONDS, 'The login', checkAndBegin(dependencies, request, login));
}

async function checkAndBegin(
  dependencies: AuthRouteDependencies,
  request: Request,
  { name, password, kinds }: PasswordLogin,
): Promise<TokenPair | undefined> {
  requireTokens(dependencies);
  const { connection, passwords, throttle } = dependencies;
  const nameText = 'email' in name ? name.email : name.username;
  const attempt = await throttle.begin(nameText, request.context.ip, () =>
    findFailuresForgotten(connection, name),
  );
  const { found, right } = await look(attempt, async () => {
    const found = await findLogin(connection, name, kinds);
    return { found, right: await passwords.verify(found?.password_hash, password) };
  });
  if (found) request.context.audit = { who: `account:${found.account.account_id}` };
  if (!found || !right) {
    // What was entered is not logged: people type their password into the wrong field.
    request.context.logger.warn(
      { ip: request.context.ip, account_id: found?.account.account_id },
      'Login refused',
    );
    return undefined;
  }
  await attempt.succeeded();
  await renewIfOutdated(dependencies, found, password);
  request.context.logFields = { account_id: found.account.account_id };
  return beginSession(dependencies, found.account);
}

/** The password is at hand only now. */
async function renewIfOutdated(
  { connection, passwords }: AuthRouteDependencies,
  { account, password_hash: passwordHash }: AccountWithPassword,
  password: string,
): Promise<void> {
  if (!passwords.isOutdated(passwordHash)) return;
  await renewPasswordHash(connection, account.account_id, passwordHash, await passwords.hash(password));
}
