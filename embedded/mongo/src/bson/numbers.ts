import { Decimal128, Double } from 'bson';
import {
  addDecimals,
  compareFiniteDecimals,
  type Decimal,
  decimalFraction,
  decimalFromDouble,
  decimalFromInteger,
  decodeDecimal,
  encodeDecimal,
  type FiniteDecimal,
  multiplyDecimals,
} from './decimal.ts';
import { doubleValue, fitsInt64, isInt32, type Numeric } from './values.ts';

/** The nearest JavaScript number; exact for int32 and double. */
export function toNumber(value: Numeric): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Double ? value.value : Number(value.toString());
}

export function toDecimal(value: Numeric): Decimal {
  if (value instanceof Decimal128) return decodeDecimal(value);
  if (typeof value === 'bigint') return decimalFromInteger(value);
  return decimalFromDouble(toNumber(value));
}

export function isDoubleValue(value: Numeric): value is number | Double {
  return value instanceof Double || (typeof value === 'number' && !isInt32(value));
}

export function isNaNValue(value: Numeric): boolean {
  if (typeof value === 'bigint') return false;
  if (value instanceof Decimal128) return decodeDecimal(value).kind === 'nan';
  return Number.isNaN(toNumber(value));
}

/** The exact order of any two numbers, whatever their types; NaN comes first and equals itself. */
export function compareNumbers(left: Numeric, right: Numeric): number {
  const a = left instanceof Double ? left.value : left;
  const b = right instanceof Double ? right.value : right;
  if (a instanceof Decimal128 || b instanceof Decimal128) return compareWithDecimal(a, b);
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b || Number(a) === Number(b)) return 0;
  const leftIsNaN = Number.isNaN(a);
  return leftIsNaN === Number.isNaN(b) ? 0 : leftIsNaN ? -1 : 1;
}

function compareWithDecimal(a: number | bigint | Decimal128, b: number | bigint | Decimal128): number {
  const left = exact(a);
  const right = exact(b);
  if (left === 'nan' || right === 'nan') return left === right ? 0 : left === 'nan' ? -1 : 1;
  if (typeof left === 'number' || typeof right === 'number') {
    const x = typeof left === 'number' ? left : 0;
    const y = typeof right === 'number' ? right : 0;
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if ('exponent' in left && 'exponent' in right) return compareFiniteDecimals(left, right);
  const p = fraction(left);
  const q = fraction(right);
  const x = p.numerator * q.denominator;
  const y = q.numerator * p.denominator;
  return x < y ? -1 : x > y ? 1 : 0;
}

interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

type Exact = 'nan' | number | FiniteDecimal | Fraction;

/** Infinities come back as JavaScript numbers, everything else finite as an exact value. */
function exact(value: number | bigint | Decimal128): Exact {
  if (typeof value === 'bigint') return { numerator: value, denominator: 1n };
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return 'nan';
    return Number.isFinite(value) ? doubleFraction(value) : value;
  }
  const decimal = decodeDecimal(value);
  if (decimal.kind === 'nan') return 'nan';
  return decimal.kind === 'infinity' ? (decimal.negative ? -Infinity : Infinity) : decimal;
}

function fraction(value: FiniteDecimal | Fraction): Fraction {
  return 'exponent' in value ? decimalFraction(value) : value;
}

const doubleBits = new DataView(new ArrayBuffer(8));

/** Every finite double is exactly `mantissa * 2 ** exponent`. */
function doubleFraction(value: number): Fraction {
  if (Number.isInteger(value)) return { numerator: BigInt(value), denominator: 1n };
  doubleBits.setFloat64(0, value);
  const bits = doubleBits.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const stored = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? stored : stored | (1n << 52n);
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  const numerator = value < 0 ? -mantissa : mantissa;
  return exponent >= 0
    ? { numerator: numerator << BigInt(exponent), denominator: 1n }
    : { numerator, denominator: 1n << BigInt(-exponent) };
}

function isInteger(value: Numeric): value is number | bigint {
  return typeof value === 'bigint' || (typeof value === 'number' && isInt32(value));
}

/**
 * An exact integer result in MongoDB's types: int32 while both operands were and it fits, otherwise int64.
 * `undefined` when it does not fit an int64; the caller decides between an error and a double.
 */
function integerValue(result: bigint, wide: boolean): number | bigint | undefined {
  if (!wide && result >= -2147483648n && result <= 2147483647n) return Number(result);
  return fitsInt64(result) ? result : undefined;
}

/** `left + right`; `undefined` when an int64 overflows. */
export function addNumbers(left: Numeric, right: Numeric): Numeric | undefined {
  if (typeof left === 'bigint' && typeof right === 'bigint') return integerValue(left + right, true);
  if (isInteger(left) && isInteger(right)) {
    if (typeof left === 'number' && typeof right === 'number') {
      const sum = left + right;
      return isInt32(sum) ? sum : BigInt(sum);
    }
    return integerValue(BigInt(left) + BigInt(right), true);
  }
  if (left instanceof Decimal128 || right instanceof Decimal128) {
    return encodeDecimal(addDecimals(toDecimal(left), toDecimal(right)));
  }
  return doubleValue(toNumber(left) + toNumber(right));
}

/** `left * right`; `undefined` when an int64 overflows. */
export function multiplyNumbers(left: Numeric, right: Numeric): Numeric | undefined {
  if (isInteger(left) && isInteger(right)) {
    const wide = typeof left === 'bigint' || typeof right === 'bigint';
    return integerValue(BigInt(left) * BigInt(right), wide);
  }
  if (left instanceof Decimal128 || right instanceof Decimal128) {
    return encodeDecimal(multiplyDecimals(toDecimal(left), toDecimal(right)));
  }
  return doubleValue(toNumber(left) * toNumber(right));
}
