import type { Connection } from 'mongoose';
import type { Environment } from '../../../config/env.ts';
import { type Account, scopesOf } from '../../domain/accounts/account.ts';
import type { Caller } from '../../domain/accounts/caller.ts';
import { RecentLookups } from '../../runtime/recentLookups.ts';
import { AccessTokens } from '../tokens/accessTokens.ts';
import { findTokenAccount } from '../tokens/tokenAccount.ts';
import type { TokenClaims } from '../tokens/verdict.ts';
import type { Verdict } from './verdict.ts';

const MOST_REMEMBERED = 10_000;

/** Checks access tokens and the accounts behind them. A change of an account is noticed within a second. */
export class TokenCheck {
  readonly #tokens: AccessTokens | undefined;
  readonly #accounts: RecentLookups<Account>;

  constructor(environment: Environment, connection: Connection) {
    this.#tokens = AccessTokens.open(environment);
    // By everything that the token says of its account: only good tokens come so far, so nobody can fill this up.
    this.#accounts = new RecentLookups(MOST_REMEMBERED, (claims) =>
      findTokenAccount(connection, JSON.parse(claims)),
    );
  }

  /** @throws ServiceUnavailableError when MongoDB, or the issuer of an outside token, is away */
  async check(token: string): Promise<Verdict> {
    if (!this.#tokens) return { kind: 'bad' };
    const verdict = await this.#tokens.verify(token);
    if (verdict.kind !== 'valid') return { kind: verdict.kind === 'expired' ? 'expired' : 'bad' };
    const account = await this.#accounts.find(JSON.stringify(verdict.claims satisfies TokenClaims));
    if (!account) return { kind: 'bad' };
    return { kind: 'valid', caller: callerOf(account) };
  }
}

function callerOf({ account_id, kind, roles, credits_user_id }: Account): Caller {
  return {
    kind: 'account',
    account_id,
    account_kind: kind,
    scopes: scopesOf(kind, roles),
    credits_user_id,
    any_user: kind === 'superadmin' || roles.includes('admin'),
  };
}
