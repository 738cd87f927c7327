import type { LedgerDrift } from '../../src/domain/credits/recount.ts';

const MEANINGS: Record<LedgerDrift['kind'], string> = {
  unbalanced: 'the entries of the movement do not sum to zero',
  chain: 'the balance that the movement states is not the one before plus its entries',
  gap: 'movements of the user are missing, out of order or there twice',
  negative: 'below zero',
  available: 'available',
  held: 'held',
  grant: 'left of a grant',
  hold: 'amount, captured or left of the hold',
  'open-holds': 'held, against what the open holds set aside',
  missing: 'named by a movement, and not there',
  refund: 'the refund is not what it refunds',
};

/** One line: the account, what is wrong with it, and the figures. */
export function driftText({ kind, account, movement_id, stored, recounted }: LedgerDrift): string {
  const where = movement_id === undefined || account.endsWith(movement_id) ? '' : `, movement ${movement_id}`;
  return `${account}${where}: ${MEANINGS[kind]}: stored ${stored}, by the movements ${recounted}`;
}
