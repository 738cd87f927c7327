import { type HeldCredits, leftOf } from './holds.ts';
import type { GrantPart, Movement } from './ledger.ts';
import type { LedgerDrift } from './recount.ts';

/**
 * Compares a hold with its movements: what it set aside, what was captured of it, what is left, and what
 * of that has an end.
 */
export function recountHold(hold: HeldCredits, movements: readonly Movement[]): LedgerDrift[] {
  const held = (kinds: readonly Movement['kind'][]) =>
    movements
      .filter((movement) => kinds.includes(movement.kind))
      .flatMap((movement) => movement.entries)
      .filter((entry) => entry.account === `held:${hold.user_id}`)
      .reduce((sum, entry) => sum + entry.amount, 0);
  const granted = (kinds: readonly Movement['kind'][]) =>
    movements
      .filter((movement) => kinds.includes(movement.kind))
      .reduce((sum, movement) => sum + sumOf(movement.granted ?? []), 0);
  const pairs: [stored: number, recounted: number][] = [
    [hold.amount, held(['hold'])],
    [-hold.captured, held(['capture'])],
    [leftOf(hold), held(['hold', 'capture', 'release'])],
    [sumOf(hold.granted), granted(['hold']) - granted(['capture', 'release'])],
  ];
  return pairs
    .filter(([stored, recounted]) => stored !== recounted)
    .map(([stored, recounted]) => ({ kind: 'hold', account: `hold:${hold.hold_id}`, stored, recounted }));
}

function sumOf(parts: readonly GrantPart[]): number {
  return parts.reduce((sum, part) => sum + part.amount, 0);
}
