import { type Grant, remainingOf } from './grants.ts';
import { type HeldCredits, leftOf } from './holds.ts';
import type { Balance } from './ledger.ts';

/** A user's credits: a projection of the movements, which can be made anew from them. */
export interface CreditAccount {
  readonly user_id: string;
  readonly username: string;
  readonly email: string;
  readonly available: number;
  readonly held: number;
  /** How many movements have touched the user. */
  readonly version: number;
  /** Of the last movement, in microseconds; see clock.ts. */
  readonly clock: number;
  /** The part of what is available that has an end, soonest first. */
  readonly grants: readonly Grant[];
  readonly low_threshold: number | null;
  /** Whether the last word on it was that the balance is low. */
  readonly below_threshold: boolean;
  readonly created_at: number;
}

export function newAccount(
  user: Pick<CreditAccount, 'user_id' | 'username' | 'email'>,
  now: number,
): CreditAccount {
  return {
    user_id: user.user_id,
    username: user.username,
    email: user.email,
    available: 0,
    held: 0,
    version: 0,
    clock: 0,
    grants: [],
    low_threshold: null,
    below_threshold: false,
    created_at: now,
  };
}

/** What is in the account, whether it has lapsed or not. */
export function balanceOf(account: CreditAccount): Balance {
  const { user_id, available, held, version } = account;
  return { user_id, available, held, version };
}

/**
 * The balance as the next movement will find it: without the grants that have lapsed by then, and with what overdue holds
 * give back, although neither is booked yet.
 *
 * @param overdue - the user's holds that are past their end
 */
export function currentBalance(
  account: CreditAccount,
  overdue: readonly HeldCredits[],
  now: number,
): Balance {
  const lapsed = remainingOf(account.grants.filter((grant) => grant.expires_at <= now));
  const returned = overdue.reduce((sum, hold) => sum + leftOf(hold), 0);
  const lapsedOfReturned = overdue
    .flatMap((hold) => hold.granted)
    .reduce((sum, part) => (part.expires_at <= now ? sum + part.amount : sum), 0);
  const { available, held, ...balance } = balanceOf(account);
  return { ...balance, available: available - lapsed + returned - lapsedOfReturned, held: held - returned };
}

export function isLow(account: Pick<CreditAccount, 'available' | 'low_threshold'>): boolean {
  return account.low_threshold !== null && account.available < account.low_threshold;
}
