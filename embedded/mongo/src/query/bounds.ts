import { BSONRegExp, MaxKey, MinKey } from 'bson';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';

/** What a filter says about one field that an index can use. */
export interface FieldBounds {
  equals?: readonly Value[];
  low?: { value: Value; inclusive: boolean };
  high?: { value: Value; inclusive: boolean };
}

/** Lists longer than this are not turned into single look-ups of a secondary index. */
export const maximumLookups = 2000;

/** Collects the bounds of every field from the filter's conjunctions; what it cannot use is left to the matcher. */
export function boundsOf(
  filter: Document,
  bounds = new Map<string, FieldBounds>(),
): Map<string, FieldBounds> {
  for (const [name, condition] of Object.entries(filter)) {
    if (name === '$and' && isArray(condition)) {
      for (const clause of condition) if (isDocument(clause)) boundsOf(clause, bounds);
    } else if (!name.startsWith('$')) {
      const field = bounds.get(name) ?? {};
      addCondition(field, condition);
      if (Object.keys(field).length > 0) bounds.set(name, field);
    }
  }
  return bounds;
}

function isComparable(value: Value): boolean {
  return (
    !isArray(value) &&
    !(value instanceof BSONRegExp) &&
    !(value instanceof MinKey) &&
    !(value instanceof MaxKey)
  );
}

function addCondition(field: FieldBounds, condition: Value): void {
  if (!isDocument(condition) || !Object.keys(condition)[0]?.startsWith('$')) {
    if (isComparable(condition)) field.equals ??= [condition];
    return;
  }
  for (const [operator, operand] of Object.entries(condition)) {
    if (operator === '$in') {
      if (isArray(operand) && operand.every(isComparable)) field.equals ??= operand;
    } else if (!isComparable(operand)) {
      // left to the matcher
    } else if (operator === '$eq') field.equals ??= [operand];
    else if (operand === null) {
      // comparing with null also matches missing fields: left to the matcher
    } else if (operator === '$gt' || operator === '$gte')
      field.low ??= { value: operand, inclusive: operator === '$gte' };
    else if (operator === '$lt' || operator === '$lte')
      field.high ??= { value: operand, inclusive: operator === '$lte' };
  }
}
