import { balanceOf } from '../account.ts';
import type { Booking } from '../booking.ts';
import { type HeldCredits, publicHold } from '../holds.ts';
import type { LedgerOutcome, LedgerRefusal, Movement } from '../ledger.ts';

export type Refused = Extract<LedgerOutcome, { kind: 'refused' }>;

/** What a rule has done; the movements and balances are added when everything is booked. */
export interface RuleDone {
  readonly kind: 'done';
  /** The paying one first. */
  readonly userIds: readonly string[];
  readonly holdId?: string | undefined;
}

export type RuleOutcome = RuleDone | Refused;

export function done(userIds: readonly string[], holdId?: string): RuleDone {
  return { kind: 'done', userIds, holdId };
}

export function refused(reason: LedgerRefusal, hold?: HeldCredits): Refused {
  return { kind: 'refused', reason, ...(hold ? { hold: publicHold(hold) } : {}) };
}

export function outcomeOf(
  booking: Booking,
  outcome: RuleOutcome,
  movements: readonly Movement[],
): LedgerOutcome {
  if (outcome.kind === 'refused') return outcome;
  const hold = outcome.holdId === undefined ? undefined : booking.hold(outcome.holdId);
  return {
    kind: 'done',
    movements,
    balances: outcome.userIds.map((userId) => balanceOf(booking.accountOf(userId))),
    ...(hold ? { hold: publicHold(hold) } : {}),
  };
}
