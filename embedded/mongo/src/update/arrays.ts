import { BSONRegExp } from 'bson';
import { compareValues, equalValues } from '../bson/compare.ts';
import { keyString } from '../bson/keyString.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, typeName, type Value } from '../bson/values.ts';
import { badValue } from '../errors.ts';
import { compileFilter } from '../query/filter.ts';
import { compileSort, parseSort } from '../query/sort.ts';
import type { Draft } from './draft.ts';
import type { Change, Modifier } from './modifiers.ts';

function arrayAt(draft: Draft, parts: readonly string[], name: string): Value[] | undefined {
  const current = draft.get(parts);
  if (current === undefined || isArray(current)) return current;
  throw badValue(
    `The field '${parts.join('.')}' must be an array but is of type ${typeName(current)} in document {_id: ${String(draft.root._id)}} (${name})`,
  );
}

function integerOperand(value: Value | undefined, name: string): number {
  const number = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (!Number.isInteger(number)) throw badValue(`The value for ${name} must be an integer`);
  return number;
}

interface PushOptions {
  values: readonly Value[];
  position: number | null;
  slice: number | null;
  order: ((left: Value, right: Value) => number) | null;
}

function parsePush(operand: Value): PushOptions {
  if (!isDocument(operand) || operand.$each === undefined)
    return { values: [operand], position: null, slice: null, order: null };
  const { $each: each, $position: position, $slice: slice, $sort: sort, ...unknown } = operand;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw badValue(`Unrecognized clause in $push: ${extra}`);
  if (!isArray(each)) throw badValue('The argument to $each in $push must be an array');
  return {
    values: each,
    position: position === undefined ? null : integerOperand(position, '$position'),
    slice: slice === undefined ? null : integerOperand(slice, '$slice'),
    order: sort === undefined ? null : elementOrder(sort),
  };
}

function elementOrder(sort: Value): (left: Value, right: Value) => number {
  if (isDocument(sort)) {
    const order = compileSort(parseSort(sort satisfies Document), null);
    return (left, right) => order(isDocument(left) ? left : {}, isDocument(right) ? right : {});
  }
  const sign = isNumeric(sort) ? toNumber(sort) : 0;
  if (sign !== 1 && sign !== -1)
    throw badValue('The $sort element value must be either 1 or -1, or a document');
  return (left, right) => compareValues(left, right) * sign;
}

export const push: Modifier = (operand) => {
  const { values, position, slice, order } = parsePush(operand);
  return (draft, parts) => {
    const current = arrayAt(draft, parts, '$push') ?? [];
    const at =
      position === null ? current.length : position < 0 ? Math.max(0, current.length + position) : position;
    let next = [...current.slice(0, at), ...values, ...current.slice(at)];
    if (order !== null) next.sort(order);
    if (slice !== null) next = slice >= 0 ? next.slice(0, slice) : next.slice(slice);
    draft.set(parts, next);
  };
};

function unknownBeside({ $each: _each, ...others }: Document): string | undefined {
  return Object.keys(others)[0];
}

export const addToSet: Modifier = (operand) => {
  const each = isDocument(operand) ? operand.$each : undefined;
  if (each !== undefined && !isArray(each))
    throw badValue('The argument to $each in $addToSet must be an array');
  const extra = each === undefined || !isDocument(operand) ? undefined : unknownBeside(operand);
  if (extra !== undefined) throw badValue(`Found unexpected fields after $each in $addToSet: ${extra}`);
  const values = each ?? [operand];
  return (draft, parts) => {
    const current = arrayAt(draft, parts, '$addToSet') ?? [];
    const known = new Set(current.map((value) => keyString(value)));
    const added = values.filter((value) => {
      const key = keyString(value);
      return !known.has(key) && known.add(key);
    });
    if (added.length > 0 || draft.get(parts) === undefined) draft.set(parts, [...current, ...added]);
  };
};

function removing(name: string, isRemoved: (element: Value) => boolean): Change {
  return (draft, parts) => {
    const current = arrayAt(draft, parts, name);
    if (current === undefined) return;
    const kept = current.filter((element) => !isRemoved(element));
    if (kept.length !== current.length) draft.set(parts, kept);
  };
}

export const pull: Modifier = (operand) => removing('$pull', pullCondition(operand));

function pullCondition(operand: Value): (element: Value) => boolean {
  const isOperators = isDocument(operand) && Object.keys(operand)[0]?.startsWith('$') === true;
  if (operand instanceof BSONRegExp || isOperators) {
    const matches = compileFilter({ element: operand });
    return (element) => matches({ element });
  }
  if (isDocument(operand)) {
    const matches = compileFilter(operand);
    return (element) => isDocument(element) && matches(element);
  }
  return (element) => equalValues(element, operand);
}

export const pullAll: Modifier = (operand) => {
  if (!isArray(operand)) throw badValue('$pullAll requires an array argument');
  return removing('$pullAll', (element) => operand.some((value) => equalValues(value, element)));
};

export const pop: Modifier = (operand) => {
  const end = integerOperand(operand, '$pop');
  if (end !== 1 && end !== -1) throw badValue('$pop expects 1 or -1');
  return (draft, parts) => {
    const current = arrayAt(draft, parts, '$pop');
    if (current === undefined || current.length === 0) return;
    draft.set(parts, end === 1 ? current.slice(0, -1) : current.slice(1));
  };
};
