import type { GrantPart, Hold, HoldStatus } from './ledger.ts';

/** The statuses that a hold may come to from each. */
export const HOLD_TRANSITIONS: Readonly<Record<HoldStatus, readonly HoldStatus[]>> = {
  open: ['captured', 'released', 'expired'],
  captured: [],
  released: [],
  expired: [],
};

/** A hold, and what of it has an end. */
export interface HeldCredits extends Hold {
  /** Of what is left of the hold. */
  readonly granted: readonly GrantPart[];
}

export class HoldTransitionError extends Error {
  override name = 'HoldTransitionError';

  constructor(hold: Hold, status: HoldStatus) {
    super(`The hold ${hold.hold_id} is ${hold.status} and cannot become ${status}`);
  }
}

/** @throws HoldTransitionError when the table does not allow it */
export function endHold(hold: HeldCredits, status: Exclude<HoldStatus, 'open'>): HeldCredits {
  if (!HOLD_TRANSITIONS[hold.status].includes(status)) throw new HoldTransitionError(hold, status);
  return { ...hold, status, granted: [] };
}

export function leftOf(hold: Hold): number {
  return hold.status === 'open' ? hold.amount - hold.captured : 0;
}

export function isOverdue(hold: Hold, now: number): boolean {
  return hold.status === 'open' && hold.expires_at <= now;
}

export function publicHold({ granted: _, ...hold }: HeldCredits): Hold {
  return hold;
}

/** A hold as clients see it: past its end it is expired, also while that is not booked yet. */
export function currentHold(hold: HeldCredits, now: number): Hold {
  const shown = publicHold(hold);
  return isOverdue(hold, now) ? { ...shown, status: 'expired' } : shown;
}
