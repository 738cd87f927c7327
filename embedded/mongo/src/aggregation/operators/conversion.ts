import { Decimal128, Double, ObjectId, Timestamp } from 'bson';
import { encodeDecimal, roundDecimal } from '../../bson/decimal.ts';
import { isDoubleValue, toDecimal, toNumber } from '../../bson/numbers.ts';
import { serialize } from '../../bson/serialize.ts';
import {
  type Document,
  doubleValue,
  fitsInt64,
  isArray,
  isDocument,
  isInt32,
  isNumeric,
  typeName,
  type Value,
} from '../../bson/values.ts';
import { MongoServerError } from '../../errors.ts';
import { daysInMonth } from './dateText.ts';
import { type Argument, isNullish, namedArguments, type OperatorCompiler, unary } from './operator.ts';
import { isTruthy } from './truth.ts';

type Target = 'int' | 'long' | 'double' | 'decimal' | 'string' | 'bool' | 'date' | 'objectId';

function failure(value: Value, target: Target, reason = ''): MongoServerError {
  const cause = reason === '' ? '' : `: ${reason}`;
  return new MongoServerError(
    'ConversionFailure',
    `Failed to convert ${typeName(value)} to ${target} in $convert with no onError value${cause}`,
  );
}

/** The text of a value, as $toString and the string operators see it. */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Double) return String(value.value);
  if (value instanceof ObjectId) return value.toHexString();
  if (isNumeric(value) || typeof value === 'boolean') return String(value);
  throw failure(value, 'string');
}

/** A whole number as a bigint; fractions are cut off. */
function wholeNumber(value: Value, target: Target): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (value instanceof Date && target === 'long') return BigInt(value.getTime());
  if (value instanceof Decimal128) {
    const whole = roundDecimal(toDecimal(value), 0, 'truncate');
    if (whole.kind !== 'finite') throw failure(value, target, 'not a finite number');
    const magnitude = whole.coefficient * 10n ** BigInt(Math.max(0, whole.exponent));
    return whole.negative ? -magnitude : magnitude;
  }
  if (isNumeric(value)) {
    const number = toNumber(value);
    if (!Number.isFinite(number)) throw failure(value, target, 'not a finite number');
    return BigInt(Math.trunc(number));
  }
  if (typeof value === 'string' && /^[+-]?\d+$/.test(value)) return BigInt(value.replace('+', ''));
  throw failure(value, target, typeof value === 'string' ? `Failed to parse number '${value}'` : '');
}

const conversions: Readonly<Record<Target, (value: Value) => Value>> = {
  int: (value) => {
    const whole = wholeNumber(value, 'int');
    if (!isInt32(Number(whole))) throw failure(value, 'int', 'the value would overflow');
    return Number(whole);
  },
  long: (value) => {
    const whole = wholeNumber(value, 'long');
    if (!fitsInt64(whole)) throw failure(value, 'long', 'the value would overflow');
    return whole;
  },
  double: (value) => {
    if (isNumeric(value)) return doubleValue(toNumber(value));
    if (typeof value === 'boolean') return doubleValue(value ? 1 : 0);
    if (value instanceof Date) return doubleValue(value.getTime());
    if (typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)))
      return doubleValue(Number(value));
    throw failure(value, 'double');
  },
  decimal: (value) => {
    if (value instanceof Decimal128) return value;
    if (isNumeric(value)) return encodeDecimal(toDecimal(value));
    if (typeof value === 'boolean') return encodeDecimal(toDecimal(value ? 1 : 0));
    if (value instanceof Date) return encodeDecimal(toDecimal(BigInt(value.getTime())));
    try {
      if (typeof value === 'string') return Decimal128.fromStringWithRounding(value);
    } catch {
      throw failure(value, 'decimal', `Failed to parse number '${String(value)}'`);
    }
    throw failure(value, 'decimal');
  },
  string: textOf,
  bool: isTruthy,
  date: (value) => {
    if (value instanceof Date) return value;
    if (value instanceof ObjectId) return value.getTimestamp();
    if (value instanceof Timestamp) return new Date(value.high * 1000);
    if (
      typeof value === 'bigint' ||
      value instanceof Decimal128 ||
      (isNumeric(value) && isDoubleValue(value))
    )
      return new Date(toNumber(value));
    const date =
      typeof value === 'string'
        ? new Date(
            /[zZ]|[+-]\d\d:?\d\d$/.test(value) || /^\d{4}-\d\d-\d\d$/.test(value) ? value : `${value}Z`,
          )
        : null;
    if (date === null || Number.isNaN(date.getTime()) || namesNoDay(value)) throw failure(value, 'date');
    return date;
  },
  objectId: (value) => {
    if (value instanceof ObjectId) return value;
    if (typeof value === 'string' && /^[0-9a-fA-F]{24}$/.test(value))
      return ObjectId.createFromHexString(value);
    throw failure(value, 'objectId');
  },
};

/** JavaScript reads the 30th of February as the 1st of March. */
function namesNoDay(value: Value): boolean {
  const parts = typeof value === 'string' ? /^(\d{4})-(\d\d)-(\d\d)/.exec(value) : null;
  return parts !== null && Number(parts[3]) > daysInMonth(Number(parts[1]), Number(parts[2]));
}

function converting(target: Target): OperatorCompiler {
  return unary((value) => (isNullish(value) ? null : conversions[target](value)));
}

const targetsByNumber: Readonly<Record<number, Target>> = {
  1: 'double',
  2: 'string',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  16: 'int',
  18: 'long',
  19: 'decimal',
};

function targetOf(value: Argument): Target {
  const named = isDocument(value) ? (value satisfies Document).type : value;
  const target = isNumeric(named)
    ? targetsByNumber[toNumber(named)]
    : Object.keys(conversions).find((name) => name === named);
  const known = Object.values(targetsByNumber).find((name) => name === target);
  if (known === undefined) throw new MongoServerError('BadValue', `Unknown type name: ${String(named)}`);
  return known;
}

const convert: OperatorCompiler = (operand, compile, name) => {
  const { input, to, onError, onNull } = namedArguments(
    operand,
    name,
    ['input', 'to'],
    ['onError', 'onNull'],
  );
  const source = compile(input ?? null);
  const target = compile(to ?? null);
  const whenNull = compile(onNull ?? null);
  const whenError = onError === undefined ? null : compile(onError);
  return (environment) => {
    const value = source(environment);
    if (isNullish(value)) return whenNull(environment);
    try {
      return conversions[targetOf(target(environment))](value);
    } catch (error) {
      if (whenError !== null && error instanceof MongoServerError && error.codeName === 'ConversionFailure')
        return whenError(environment);
      throw error;
    }
  };
};

export const conversionOperators: Readonly<Record<string, OperatorCompiler>> = {
  $toInt: converting('int'),
  $toLong: converting('long'),
  $toDouble: converting('double'),
  $toDecimal: converting('decimal'),
  $toString: converting('string'),
  $toBool: converting('bool'),
  $toDate: converting('date'),
  $toObjectId: converting('objectId'),
  $convert: convert,
  $type: unary((value) => typeName(value)),
  $isNumber: unary((value) => isNumeric(value)),
  $bsonSize: unary((value) => (isNullish(value) || isArray(value) ? null : sizeOf(value))),
};

function sizeOf(value: Value): number {
  if (!isDocument(value)) throw new MongoServerError('TypeMismatch', '$bsonSize requires a document input');
  return serialize(value).length;
}
