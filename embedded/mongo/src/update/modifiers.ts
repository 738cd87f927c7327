import { Timestamp } from 'bson';
import { compareValues } from '../bson/compare.ts';
import { addNumbers, multiplyNumbers } from '../bson/numbers.ts';
import {
  type Document,
  isArray,
  isDocument,
  isInt32,
  isNumeric,
  type Numeric,
  typeName,
  type Value,
} from '../bson/values.ts';
import { badValue, failedToParse, type MongoServerError, typeMismatch } from '../errors.ts';
import { addToSet, pop, pull, pullAll, push } from './arrays.ts';
import type { Draft } from './draft.ts';

/** Changes one (concrete) path of a draft. */
export type Change = (draft: Draft, parts: readonly string[]) => void;

/** Checks an operand once and gives the change; `path` is for messages. */
export type Modifier = (operand: Value, path: string) => Change;

type Arithmetic = (left: Numeric, right: Numeric) => Numeric | undefined;

function describeId(draft: Draft): string {
  return `{_id: ${JSON.stringify(String(draft.root._id))}}`;
}

function arithmetic(
  name: string,
  verb: string,
  apply: Arithmetic,
  whenMissing: (operand: Numeric) => Numeric,
): Modifier {
  return (operand, path) => {
    if (!isNumeric(operand))
      throw typeMismatch(`Cannot ${verb} with non-numeric argument: {${path}: ${JSON.stringify(operand)}}`);
    return (draft, parts) => {
      const current = draft.get(parts);
      if (current === undefined) return draft.set(parts, whenMissing(operand));
      if (!isNumeric(current)) {
        throw typeMismatch(
          `Cannot apply ${name} to a value of non-numeric type. ${describeId(draft)} has the field '${parts.at(-1)}' of non-numeric type ${typeName(current)}`,
        );
      }
      const result = apply(current, operand);
      if (result === undefined) {
        throw badValue(
          `Failed to apply ${name} operations to current value (NumberLong(${String(current)})) for document ${describeId(draft)}: it overflows an int64`,
        );
      }
      draft.set(parts, result);
    };
  };
}

function extreme(accepts: (comparison: number) => boolean): Modifier {
  return (operand) => (draft, parts) => {
    const current = draft.get(parts);
    if (current === undefined || accepts(compareValues(operand, current))) draft.set(parts, operand);
  };
}

const currentDate: Modifier = (operand, path) => {
  const kind = isDocument(operand) ? operand.$type : operand === true ? 'date' : undefined;
  if (kind !== 'date' && kind !== 'timestamp') {
    throw badValue(`$currentDate of '${path}' needs true, {$type: 'date'} or {$type: 'timestamp'}`);
  }
  return (draft, parts) => {
    const now = new Date();
    draft.set(parts, kind === 'date' ? now : new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 }));
  };
};

const bit: Modifier = (operand, path) => {
  const entries = isDocument(operand) ? Object.entries(operand satisfies Document) : [];
  const [[name, mask] = []] = entries;
  if (entries.length !== 1 || (name !== 'and' && name !== 'or' && name !== 'xor') || !isInteger(mask)) {
    throw badValue(`$bit of '${path}' needs one of and, or, xor with an integer`);
  }
  return (draft, parts) => {
    const current = draft.get(parts) ?? 0;
    if (!isInteger(current))
      throw badValue(`Cannot apply $bit to a value of non-integral type '${typeName(current)}'`);
    const [left, right] = [BigInt(current), BigInt(mask)];
    const result = name === 'and' ? left & right : name === 'or' ? left | right : left ^ right;
    draft.set(
      parts,
      typeof current === 'bigint' || typeof mask === 'bigint' ? BigInt.asIntN(64, result) : Number(result),
    );
  };
};

function isInteger(value: Value | undefined): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && isInt32(value));
}

const set: Modifier = (operand) => (draft, parts) => draft.set(parts, operand);

export const modifiers: Readonly<Record<string, Modifier>> = {
  $set: set,
  $setOnInsert: set,
  $unset: () => (draft, parts) => draft.unset(parts),
  $inc: arithmetic('$inc', 'increment', addNumbers, (operand) => operand),
  $mul: arithmetic('$mul', 'multiply', multiplyNumbers, (operand) => multiplyNumbers(operand, 0) ?? 0),
  $min: extreme((comparison) => comparison < 0),
  $max: extreme((comparison) => comparison > 0),
  $currentDate: currentDate,
  $bit: bit,
  $push: push,
  $addToSet: addToSet,
  $pull: pull,
  $pullAll: pullAll,
  $pop: pop,
};

/** $rename moves a value; it is the one modifier with two paths. */
export function rename(operand: Value, path: string): { target: readonly string[]; change: Change } {
  if (typeof operand !== 'string') throw badValue(`The 'to' field for $rename must be a string: ${path}`);
  if (operand === path) throw badValue(`The source and target field for $rename must differ: ${path}`);
  const target = operand.split('.');
  if ([path, operand].some((one) => one.includes('$')))
    throw badValue(`The source and target field for $rename may not be dynamic: ${path}, ${operand}`);
  return {
    target,
    change: (draft, parts) => {
      const value = draft.get(parts);
      if (value === undefined) return;
      if (isInArray(draft, parts)) throw badValue(`The source field cannot be an array element, '${path}'`);
      if (isInArray(draft, target))
        throw badValue(`The destination field cannot be an array element, '${operand}'`);
      draft.unset(parts);
      draft.set(target, value);
    },
  };
}

function isInArray(draft: Draft, parts: readonly string[]): boolean {
  return parts.some((_part, depth) => depth > 0 && isArray(draft.get(parts.slice(0, depth))));
}

export function unknownModifier(name: string): MongoServerError {
  return failedToParse(
    `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
  );
}
