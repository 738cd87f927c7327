import { type HeldCredits, leftOf } from './holds.ts';
import type { Movement } from './ledger.ts';
import type { LedgerDrift } from './recount.ts';

/** Compares a hold with its movements: what it set aside, what was captured of it, and what is left. */
export function recountHold(hold: HeldCredits, movements: readonly Movement[]): LedgerDrift[] {
  const held = (kinds: readonly Movement['kind'][]) =>
    movements
      .filter((movement) => kinds.includes(movement.kind))
      .flatMap((movement) => movement.entries)
      .filter((entry) => entry.account === `held:${hold.user_id}`)
      .reduce((sum, entry) => sum + entry.amount, 0);
  const granted = hold.granted.reduce((sum, part) => sum + part.amount, 0);
  const pairs: [stored: number, recounted: number][] = [
    [hold.amount, held(['hold'])],
    [-hold.captured, held(['capture'])],
    [leftOf(hold), held(['hold', 'capture', 'release'])],
    [Math.max(granted, leftOf(hold)), leftOf(hold)],
  ];
  return pairs
    .filter(([stored, recounted]) => stored !== recounted)
    .map(([stored, recounted]) => ({ kind: 'hold', account: `hold:${hold.hold_id}`, stored, recounted }));
}
