import type { Account } from '../../../domain/accounts/account.ts';
import { startSession } from '../../../models/accountSessions.ts';
import { ServiceUnavailableError } from '../../../runtime/outage.ts';
import type { AccessTokens } from '../../tokens/accessTokens.ts';
import type { AuthRouteDependencies } from './dependencies.ts';

/** Nothing changes before somebody has set the variable and started the process again. */
const RETRY_UNSET_SECONDS = 60;

/** What a login gives its client. */
export interface TokenPair {
  readonly account: Account;
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly refreshToken: string;
}

/** @throws ServiceUnavailableError when there are none, saying what to set */
export function requireTokens({ tokens }: AuthRouteDependencies): AccessTokens {
  if (tokens) return tokens;
  throw new ServiceUnavailableError(
    'Nobody can log in: JWT_SECRET is not set. Set it to 32 or more random characters and start again',
    RETRY_UNSET_SECONDS,
  );
}

/** Begins a session and makes its first tokens. */
export async function beginSession(
  dependencies: AuthRouteDependencies,
  account: Account,
): Promise<TokenPair> {
  const tokens = requireTokens(dependencies);
  const refreshToken = await startSession(dependencies.connection, account);
  const { token, expiresIn } = await tokens.issue(account);
  return { account, accessToken: token, expiresIn, refreshToken };
}
