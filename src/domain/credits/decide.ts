import {
  Booking,
  type BookingContext,
  type LedgerEffects,
  type LedgerState,
  withEffects,
} from './booking.ts';
import type { LedgerOutcome } from './ledger.ts';
import { type LedgerOperation, usersNamedBy } from './operation.ts';
import { capture, hold, release } from './rules/hold.ts';
import { done, outcomeOf, type RuleOutcome } from './rules/outcome.ts';
import { settle } from './rules/settle.ts';
import { add, deduct, refund, transfer } from './rules/spend.ts';
import { createUser, giveBonus, importUser, setThreshold } from './rules/users.ts';

export interface Decision {
  readonly outcome: LedgerOutcome;
  readonly effects: LedgerEffects;
}

/**
 * What an operation comes to. What has reached its end for the users that it touches is booked first, also when the
 * operation itself is then refused.
 *
 * @param state - holds what the operation names, with the accounts of `touchedUsers` and their overdue holds
 * @throws LedgerInvariantError on a defect
 */
export function decide(state: LedgerState, operation: LedgerOperation, context: BookingContext): Decision {
  const settled = new Booking(state, context);
  for (const userId of touchedUsers(state, operation)) {
    if (settled.account(userId)) settle(settled, userId);
  }
  const before = settled.effects();
  const booking = new Booking(withEffects(state, before), context);
  const ruled = rule(booking, operation);
  if (ruled.kind === 'refused') return { outcome: ruled, effects: before };
  const own = booking.effects();
  return {
    outcome: outcomeOf(booking, ruled, own.movements),
    effects: {
      accounts: new Map([...before.accounts, ...own.accounts]),
      holds: new Map([...before.holds, ...own.holds]),
      movements: [...before.movements, ...own.movements],
      lowBalances: [...before.lowBalances, ...own.lowBalances],
    },
  };
}

/** Whose accounts an operation touches, as far as the state tells. */
export function touchedUsers(state: LedgerState, operation: LedgerOperation): readonly string[] {
  if (operation.kind === 'capture' || operation.kind === 'release') {
    const held = state.hold(operation.hold_id);
    return held ? [held.user_id] : [];
  }
  if (operation.kind === 'refund') {
    return state.movement(operation.movement_id)?.balances.map((balance) => balance.user_id) ?? [];
  }
  return usersNamedBy(operation);
}

function rule(booking: Booking, operation: LedgerOperation): RuleOutcome {
  switch (operation.kind) {
    case 'create-user':
      return createUser(booking, operation);
    case 'deduct':
      return deduct(booking, operation);
    case 'add':
      return add(booking, operation);
    case 'hold':
      return hold(booking, operation);
    case 'capture':
      return capture(booking, operation);
    case 'release':
      return release(booking, operation);
    case 'refund':
      return refund(booking, operation);
    case 'transfer':
      return transfer(booking, operation);
    case 'set-threshold':
      return setThreshold(booking, operation);
    case 'give-bonus':
      return giveBonus(booking, operation);
    case 'import-user':
      return importUser(booking, operation);
    case 'settle':
      // It is settled already.
      return done([operation.user_id]);
  }
}
