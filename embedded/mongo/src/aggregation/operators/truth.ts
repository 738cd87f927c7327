import { toNumber } from '../../bson/numbers.ts';
import { isNumeric, type Value } from '../../bson/values.ts';

/** What counts as true in a condition: all but false, null, missing and zero. */
export function isTruthy(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === false) return false;
  return !isNumeric(value) || toNumber(value) !== 0;
}
