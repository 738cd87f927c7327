import { Decimal128 } from 'bson';
import { divideDecimals, encodeDecimal, negateDecimal, roundDecimal } from '../../bson/decimal.ts';
import { addNumbers, isDoubleValue, multiplyNumbers, toDecimal, toNumber } from '../../bson/numbers.ts';
import { doubleValue, fitsInt64, isInt32, isNumeric, type Numeric, typeName } from '../../bson/values.ts';
import { badValue, notSupported, typeMismatch } from '../../errors.ts';
import {
  type Argument,
  argumentList,
  binary,
  isNullish,
  type OperatorCompiler,
  unary,
  variadic,
} from './operator.ts';

function numberArgument(value: Argument, name: string): Numeric {
  if (isNumeric(value)) return value;
  throw typeMismatch(`${name} only supports numeric types, not ${typeName(value)}`);
}

/** Applies to numbers; a null or missing argument makes the result null. */
function numeric(apply: (value: Numeric, name: string) => Numeric): OperatorCompiler {
  return unary((value, name) => (isNullish(value) ? null : apply(numberArgument(value, name), name)));
}

function numericPair(apply: (left: Numeric, right: Numeric, name: string) => Numeric): OperatorCompiler {
  return binary((left, right, name) =>
    isNullish(left) || isNullish(right)
      ? null
      : apply(numberArgument(left, name), numberArgument(right, name), name),
  );
}

/** An int64 overflow becomes a double, as in MongoDB's expressions. */
export function addOrWiden(left: Numeric, right: Numeric): Numeric {
  return addNumbers(left, right) ?? doubleValue(toNumber(left) + toNumber(right));
}

function negate(value: Numeric): Numeric {
  if (value instanceof Decimal128) return encodeDecimal(negateDecimal(toDecimal(value)));
  if (isDoubleValue(value)) return doubleValue(-toNumber(value));
  const negated = -BigInt(toNumberOrBigInt(value));
  if (typeof value === 'number' && isInt32(Number(negated))) return Number(negated);
  return fitsInt64(negated) ? negated : doubleValue(Number(negated));
}

function toNumberOrBigInt(value: Numeric): number | bigint {
  return typeof value === 'bigint' ? value : toNumber(value);
}

function add(values: Argument[], name: string): Argument {
  let sum: Numeric = 0;
  let date: Date | null = null;
  for (const value of values) {
    if (isNullish(value)) return null;
    if (value instanceof Date) {
      if (date !== null) throw typeMismatch('only one date allowed in an $add expression');
      date = value;
    } else {
      sum = addOrWiden(sum, numberArgument(value, name));
    }
  }
  return date === null ? sum : new Date(date.getTime() + Math.round(toNumber(sum)));
}

function subtract(left: Argument, right: Argument, name: string): Argument {
  if (isNullish(left) || isNullish(right)) return null;
  if (left instanceof Date) {
    if (right instanceof Date) return BigInt(left.getTime() - right.getTime());
    return new Date(left.getTime() - Math.round(toNumber(numberArgument(right, name))));
  }
  return addOrWiden(numberArgument(left, name), negate(numberArgument(right, name)));
}

function divide(left: Numeric, right: Numeric): Numeric {
  if (toNumber(right) === 0) throw badValue("can't $divide by zero");
  if (left instanceof Decimal128 || right instanceof Decimal128) {
    return encodeDecimal(divideDecimals(toDecimal(left), toDecimal(right)));
  }
  return doubleValue(toNumber(left) / toNumber(right));
}

function modulo(left: Numeric, right: Numeric): Numeric {
  if (toNumber(right) === 0) throw badValue("can't $mod by zero");
  if (left instanceof Decimal128 || right instanceof Decimal128) {
    const quotient = roundDecimal(divideDecimals(toDecimal(left), toDecimal(right)), 0, 'truncate');
    const whole = multiplyNumbers(encodeDecimal(quotient), right) ?? right;
    return addOrWiden(left, negate(whole));
  }
  if (isDoubleValue(left) || isDoubleValue(right)) return doubleValue(toNumber(left) % toNumber(right));
  if (typeof left === 'number' && typeof right === 'number') return (left % right) + 0;
  return BigInt(toNumberOrBigInt(left)) % BigInt(toNumberOrBigInt(right));
}

type Rounding = 'halfEven' | 'truncate' | 'floor' | 'ceil';

function rounded(value: Numeric, places: number, mode: Rounding): Numeric {
  if (value instanceof Decimal128) return encodeDecimal(roundDecimal(toDecimal(value), places, mode));
  if (!isDoubleValue(value)) {
    if (places >= 0) return value;
    const decimal = roundDecimal(toDecimal(value), places, mode);
    const whole = BigInt(toNumber(encodeDecimal(decimal)));
    return typeof value === 'bigint' || !isInt32(Number(whole)) ? whole : Number(whole);
  }
  const number = toNumber(value);
  if (!Number.isFinite(number)) return number;
  if (places === 0) {
    if (mode === 'halfEven') {
      const floor = Math.floor(number);
      const difference = number - floor;
      return doubleValue(difference < 0.5 || (difference === 0.5 && floor % 2 === 0) ? floor : floor + 1);
    }
    return doubleValue(
      mode === 'truncate' ? Math.trunc(number) : mode === 'floor' ? Math.floor(number) : Math.ceil(number),
    );
  }
  // the shortest decimal form decides, so that 2.675 rounds as it reads
  const decimal = toDecimal(Decimal128.fromString(String(number)));
  return doubleValue(toNumber(encodeDecimal(roundDecimal(decimal, places, mode))));
}

function rounding(mode: Rounding): OperatorCompiler {
  return (operand, compile, name) => {
    const [value = () => null, places = () => 0] = argumentList(operand, compile, name, 1, 2);
    return (environment) => {
      const number = value(environment);
      const digits = places(environment);
      if (isNullish(number) || isNullish(digits)) return null;
      return rounded(numberArgument(number, name), toNumber(numberArgument(digits, name)), mode);
    };
  };
}

function wholeRounding(mode: Rounding): OperatorCompiler {
  return numeric((value) => rounded(value, 0, mode));
}

function real(apply: (value: number) => number): OperatorCompiler {
  return numeric((value, name) => doubleValue(apply(doubleOf(value, name))));
}

/** @throws MongoServerError CommandNotSupported for a decimal: its result must be one, of 34 digits */
function doubleOf(value: Numeric, name: string): number {
  if (value instanceof Decimal128) throw notSupported(`the expression ${name} of a decimal128`);
  return toNumber(value);
}

function power(base: Numeric, exponent: Numeric, name: string): Numeric {
  const whole = typeof exponent === 'bigint' || (typeof exponent === 'number' && isInt32(exponent));
  if (whole && Number(exponent) >= 0 && !isDoubleValue(base) && !(base instanceof Decimal128)) {
    const result = BigInt(toNumberOrBigInt(base)) ** BigInt(Number(exponent));
    if (typeof base === 'number' && typeof exponent === 'number' && isInt32(Number(result)))
      return Number(result);
    if (fitsInt64(result)) return result;
  }
  return doubleValue(doubleOf(base, name) ** doubleOf(exponent, name));
}

export const arithmeticOperators: Readonly<Record<string, OperatorCompiler>> = {
  $add: variadic(add),
  $subtract: binary(subtract),
  $multiply: variadic((values, name) => {
    let product: Numeric = 1;
    for (const value of values) {
      if (isNullish(value)) return null;
      const factor = numberArgument(value, name);
      product = multiplyNumbers(product, factor) ?? doubleValue(toNumber(product) * toNumber(factor));
    }
    return product;
  }),
  $divide: numericPair(divide),
  $mod: numericPair(modulo),
  $abs: numeric((value) => (toNumber(value) < 0 ? negate(value) : value)),
  $ceil: wholeRounding('ceil'),
  $floor: wholeRounding('floor'),
  $round: rounding('halfEven'),
  $trunc: rounding('truncate'),
  $pow: numericPair(power),
  $sqrt: real((value) => {
    if (value < 0) throw badValue("$sqrt's argument must be greater than or equal to 0");
    return Math.sqrt(value);
  }),
  $exp: real(Math.exp),
  $ln: real(positiveLogarithm('$ln', Math.log)),
  $log10: real(positiveLogarithm('$log10', Math.log10)),
  $log: numericPair((value, base, name) =>
    doubleValue(positiveLogarithm(name, Math.log)(doubleOf(value, name)) / Math.log(doubleOf(base, name))),
  ),
};

function positiveLogarithm(name: string, logarithm: (value: number) => number): (value: number) => number {
  return (value) => {
    if (value <= 0) throw badValue(`${name}'s argument must be a positive number, but is ${value}`);
    return logarithm(value);
  };
}
