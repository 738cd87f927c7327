import type { Request } from 'express';
import type { AccountKind } from '../../../domain/accounts/account.ts';
import { continueSession } from '../../../models/accountSessions.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import type { AuthRouteDependencies } from './dependencies.ts';
import { requireTokens, type TokenPair } from './tokenPair.ts';

/**
 * Exchanges a refresh token for new tokens. One that was used before ends its session.
 *
 * @param kinds - of the accounts that may do it this way
 * @returns nothing when the token is not good
 * @throws ServiceUnavailableError
 */
export function refresh(
  dependencies: AuthRouteDependencies,
  request: Request,
  refreshToken: string,
  kinds: readonly AccountKind[],
): Promise<TokenPair | undefined> {
  const work = exchange(dependencies, request, refreshToken, kinds);
  return withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', work);
}

async function exchange(
  dependencies: AuthRouteDependencies,
  request: Request,
  refreshToken: string,
  kinds: readonly AccountKind[],
): Promise<TokenPair | undefined> {
  const tokens = requireTokens(dependencies);
  const continued = await continueSession(dependencies.connection, refreshToken, kinds);
  if (continued.kind === 'reused') {
    request.context.logger.warn(
      { ip: request.context.ip, account_id: continued.account_id },
      'A refresh token was used again; its session has been ended',
    );
  }
  if (continued.kind !== 'continued') return undefined;
  const { account } = continued;
  request.context.logFields = { account_id: account.account_id };
  const { token, expiresIn } = await tokens.issue(account);
  return { account, accessToken: token, expiresIn, refreshToken: continued.refreshToken };
}
