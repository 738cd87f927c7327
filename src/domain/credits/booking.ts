import { balanceOf, type CreditAccount, isLow } from './account.ts';
import { movementIdAt, nextClock, timeOfClock } from './clock.ts';
import { addToGrants, remainingOf, takeFromGrants, unspent } from './grants.ts';
import { type HeldCredits, isOverdue } from './holds.ts';
import type { GrantPart, LedgerAccount, Movement, MovementKind } from './ledger.ts';

/** What is known of the ledger before an operation. */
export interface LedgerState {
  account(userId: string): CreditAccount | undefined;
  hold(holdId: string): HeldCredits | undefined;
  /** The known holds of a user; those that are overdue have to be among them. */
  holdsOf(userId: string): readonly HeldCredits[];
  movement(movementId: string): Movement | undefined;
  /** The movement that takes that one back. */
  refundOf(movementId: string): string | undefined;
}

export interface BookingContext {
  /** Milliseconds. */
  readonly now: number;
  /** A text that nobody else gets. */
  readonly uniqueSuffix: () => string;
}

/** The balance fell below the user's threshold. */
export interface LowBalance {
  readonly user_id: string;
  readonly available: number;
  readonly threshold: number;
}

/** What an operation makes of the ledger: new states in place of the old ones, new movements, events to be told. */
export interface LedgerEffects {
  readonly accounts: ReadonlyMap<string, CreditAccount>;
  readonly holds: ReadonlyMap<string, HeldCredits>;
  readonly movements: readonly Movement[];
  readonly lowBalances: readonly LowBalance[];
}

/** The ledger with these effects. */
export function withEffects(state: LedgerState, effects: LedgerEffects): LedgerState {
  return {
    account: (userId) => effects.accounts.get(userId) ?? state.account(userId),
    hold: (holdId) => effects.holds.get(holdId) ?? state.hold(holdId),
    holdsOf: (userId) => state.holdsOf(userId).map((hold) => effects.holds.get(hold.hold_id) ?? hold),
    movement: (movementId) => state.movement(movementId),
    refundOf: (movementId) => state.refundOf(movementId),
  };
}

/** The books would not balance: a defect, never a user's doing. */
export class LedgerInvariantError extends Error {
  override name = 'LedgerInvariantError';
}

type Transfer = readonly [from: LedgerAccount, to: LedgerAccount, amount: number];

export type MovementDraft = Omit<Movement, 'movement_id' | 'at' | 'entries' | 'balances'> & {
  readonly kind: MovementKind;
  readonly transfer: Transfer;
};

/** The work sheet of one operation: reads through to the state, keeps the changes to itself. */
export class Booking {
  readonly #state: LedgerState;
  readonly #context: BookingContext;
  readonly #accounts = new Map<string, CreditAccount>();
  readonly #holds = new Map<string, HeldCredits>();
  readonly #movements: Movement[] = [];

  constructor(state: LedgerState, context: BookingContext) {
    this.#state = state;
    this.#context = context;
  }

  get now(): number {
    return this.#context.now;
  }

  account(userId: string): CreditAccount | undefined {
    return this.#accounts.get(userId) ?? this.#state.account(userId);
  }

  /** The account of a user who is there for certain. */
  accountOf(userId: string): CreditAccount {
    const account = this.account(userId);
    if (!account) throw new LedgerInvariantError(`The account of ${JSON.stringify(userId)} is missing`);
    return account;
  }

  setAccount(account: CreditAccount): void {
    this.#accounts.set(account.user_id, account);
  }

  hold(holdId: string): HeldCredits | undefined {
    return this.#holds.get(holdId) ?? this.#state.hold(holdId);
  }

  setHold(hold: HeldCredits): void {
    this.#holds.set(hold.hold_id, hold);
  }

  overdueHolds(userId: string): HeldCredits[] {
    return this.#state.holdsOf(userId).filter((hold) => isOverdue(hold, this.now));
  }

  movement(movementId: string): Movement | undefined {
    return this.#state.movement(movementId);
  }

  refundOf(movementId: string): string | undefined {
    return this.#state.refundOf(movementId);
  }

  /** Takes what ends soonest out of a user's grants; the movement that takes the credits has to follow. */
  takeGranted(userId: string, amount: number): readonly GrantPart[] {
    const account = this.accountOf(userId);
    if (account.grants.length === 0) return [];
    const { grants, taken } = takeFromGrants(account.grants, amount);
    this.setAccount({ ...account, grants });
    return taken;
  }

  /** Adds to a user's grants what a movement has brought. */
  addGranted(userId: string, parts: readonly GrantPart[]): void {
    if (parts.length === 0) return;
    const account = this.accountOf(userId);
    this.setAccount({ ...account, grants: addToGrants(account.grants, parts) });
  }

  /** Moves credits from one account of the ledger to another. */
  book({ transfer: [from, to, amount], ...draft }: MovementDraft): Movement {
    if (!Number.isSafeInteger(amount) || amount <= 0) {
      throw new LedgerInvariantError(`${amount} is no number of credits that can be moved`);
    }
    const userIds = [...new Set([userOf(from), userOf(to)].flatMap((userId) => userId ?? []))];
    const accounts = userIds.map((userId) => this.accountOf(userId));
    const clock = nextClock(
      this.now,
      accounts.map((account) => account.clock),
    );
    for (const account of accounts) {
      this.setAccount({ ...account, clock, version: account.version + 1 });
    }
    this.#change(from, -amount);
    this.#change(to, amount);
    const movement = {
      ...draft,
      movement_id: movementIdAt(clock, this.#context.uniqueSuffix()),
      at: timeOfClock(clock),
      entries: [
        { account: from, amount: -amount, balance_after: this.#balanceAfter(from) },
        { account: to, amount, balance_after: this.#balanceAfter(to) },
      ],
      balances: userIds.map((userId) => balanceOf(this.accountOf(userId))),
    };
    this.#movements.push(movement);
    return movement;
  }

  /** @throws LedgerInvariantError when an account is not as it may be */
  effects(): LedgerEffects {
    const lowBalances: LowBalance[] = [];
    for (const booked of this.#accounts.values()) {
      // No hold can give back to them any more; a refund makes them anew.
      const account = booked.held === 0 ? { ...booked, grants: unspent(booked.grants) } : booked;
      assertSound(account);
      this.setAccount(account);
      const below = isLow(account);
      if (below === account.below_threshold) continue;
      this.setAccount({ ...account, below_threshold: below });
      const { user_id, available, low_threshold } = account;
      if (below && low_threshold !== null) {
        lowBalances.push({ user_id, available, threshold: low_threshold });
      }
    }
    return { accounts: this.#accounts, holds: this.#holds, movements: this.#movements, lowBalances };
  }

  #change(ledgerAccount: LedgerAccount, amount: number): void {
    const userId = userOf(ledgerAccount);
    if (userId === undefined) return;
    const account = this.accountOf(userId);
    const column = isHeld(ledgerAccount) ? 'held' : 'available';
    this.setAccount({ ...account, [column]: account[column] + amount });
  }

  #balanceAfter(ledgerAccount: LedgerAccount): number | undefined {
    const userId = userOf(ledgerAccount);
    if (userId === undefined) return undefined;
    const account = this.accountOf(userId);
    return isHeld(ledgerAccount) ? account.held : account.available;
  }
}

/** Whose credits they are; undefined of an account that belongs to no user. */
export function userOf(account: LedgerAccount): string | undefined {
  return account.startsWith('user:') || isHeld(account) ? account.slice('user:'.length) : undefined;
}

export function isHeld(account: LedgerAccount): boolean {
  return account.startsWith('held:');
}

function assertSound(account: CreditAccount): void {
  const { user_id, available, held, grants } = account;
  const isSound =
    Number.isSafeInteger(available) &&
    Number.isSafeInteger(held) &&
    available >= 0 &&
    held >= 0 &&
    grants.every((grant) => grant.remaining >= 0) &&
    remainingOf(grants) <= available;
  if (isSound) return;
  throw new LedgerInvariantError(
    `The account of ${JSON.stringify(user_id)} would have ${available} available, ${held} held, ${remainingOf(grants)} granted`,
  );
}
