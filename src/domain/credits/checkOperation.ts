import { LONGEST_TEXT } from './limits.ts';
import type { LedgerOperation } from './operation.ts';

/** The caller passes what the ledger cannot take: a defect of the caller, who checks its input first. */
export class InvalidOperationError extends Error {
  override name = 'InvalidOperationError';
}

const FROM_ONE = ['amount'];
const FROM_ZERO = ['initial_credits', 'credits', 'threshold', 'expires_at'];

/** @throws InvalidOperationError when an amount is no whole number in its range, or a text is too long */
export function checkOperation(operation: LedgerOperation): void {
  for (const [field, value] of Object.entries(operation)) {
    if (typeof value === 'string' && value.length > LONGEST_TEXT) {
      throw new InvalidOperationError(`${field} has more than ${LONGEST_TEXT} characters`);
    }
    if (typeof value === 'number' && !isInRange(field, value)) {
      throw new InvalidOperationError(`${field} is no whole number that can be taken: ${value}`);
    }
  }
}

function isInRange(field: string, value: number): boolean {
  if (!Number.isSafeInteger(value)) return false;
  if (FROM_ONE.includes(field)) return value >= 1;
  return FROM_ZERO.includes(field) && value >= 0;
}
