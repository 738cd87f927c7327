import { Decimal128 } from 'bson';

/** IEEE 754-2008 decimal128 arithmetic on BigInt coefficients: 34 digits, round half to even. */
export type Decimal =
  | { kind: 'finite'; negative: boolean; coefficient: bigint; exponent: number }
  | { kind: 'infinity'; negative: boolean }
  | { kind: 'nan' };

export type FiniteDecimal = Extract<Decimal, { kind: 'finite' }>;

const digits = 34;
const largestCoefficient = 10n ** 34n - 1n;
const exponentBias = 6176;
const largestExponent = 6111;
const smallestExponent = -6176;
const coefficientMask = (1n << 49n) - 1n;

export const notANumber: Decimal = { kind: 'nan' };

export function decodeDecimal(value: Decimal128): Decimal {
  const view = new DataView(value.bytes.buffer, value.bytes.byteOffset, 16);
  const low = view.getBigUint64(0, true);
  const high = view.getBigUint64(8, true);
  const negative = high >> 63n === 1n;
  const combination = Number((high >> 58n) & 0x1fn);
  if (combination === 31) return notANumber;
  if (combination === 30) return { kind: 'infinity', negative };
  if (combination >> 3 === 3) {
    // a non-canonical coefficient (over 34 digits) is read as zero, as the standard says
    return {
      kind: 'finite',
      negative,
      coefficient: 0n,
      exponent: Number((high >> 47n) & 0x3fffn) - exponentBias,
    };
  }
  const coefficient = ((high & coefficientMask) << 64n) | low;
  const exponent = Number((high >> 49n) & 0x3fffn) - exponentBias;
  return {
    kind: 'finite',
    negative,
    coefficient: coefficient > largestCoefficient ? 0n : coefficient,
    exponent,
  };
}

export function encodeDecimal(decimal: Decimal): Decimal128 {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  if (decimal.kind === 'nan') {
    view.setBigUint64(8, 0x7c00000000000000n, true);
  } else if (decimal.kind === 'infinity') {
    view.setBigUint64(8, decimal.negative ? 0xf800000000000000n : 0x7800000000000000n, true);
  } else {
    const rounded = round(decimal);
    if (rounded.kind !== 'finite') return encodeDecimal(rounded);
    const sign = rounded.negative ? 1n << 63n : 0n;
    const exponent = BigInt(rounded.exponent + exponentBias) << 49n;
    view.setBigUint64(0, rounded.coefficient & 0xffffffffffffffffn, true);
    view.setBigUint64(8, sign | exponent | (rounded.coefficient >> 64n), true);
  }
  return new Decimal128(bytes);
}

/** Rounds to 34 digits and brings the exponent into the format's range. */
function round(decimal: FiniteDecimal): Decimal {
  let { coefficient, exponent } = decimal;
  const { negative } = decimal;
  const excess = Math.max(digitCount(coefficient) - digits, smallestExponent - exponent);
  if (excess > 0) {
    coefficient = divideHalfEven(coefficient, 10n ** BigInt(excess));
    exponent += excess;
    if (coefficient > largestCoefficient) {
      coefficient /= 10n;
      exponent++;
    }
  }
  if (coefficient === 0n) {
    return {
      kind: 'finite',
      negative,
      coefficient,
      exponent: Math.min(Math.max(exponent, smallestExponent), largestExponent),
    };
  }
  if (exponent > largestExponent) {
    coefficient *= 10n ** BigInt(Math.min(exponent - largestExponent, digits));
    if (exponent - largestExponent > digits || coefficient > largestCoefficient)
      return { kind: 'infinity', negative };
    exponent = largestExponent;
  }
  return { kind: 'finite', negative, coefficient, exponent };
}

function digitCount(coefficient: bigint): number {
  return coefficient.toString().length;
}

function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const doubled = (dividend % divisor) * 2n;
  const up = doubled > divisor || (doubled === divisor && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

function signed(decimal: FiniteDecimal): bigint {
  return decimal.negative ? -decimal.coefficient : decimal.coefficient;
}

function fromSigned(value: bigint, exponent: number, negativeZero = false): FiniteDecimal {
  const negative = value === 0n ? negativeZero : value < 0n;
  return { kind: 'finite', negative, coefficient: value < 0n ? -value : value, exponent };
}

export function decimalFromInteger(value: bigint): FiniteDecimal {
  return fromSigned(value, 0);
}

/** The decimal nearest to a double with 15 significant digits, which is how MongoDB converts one. */
export function decimalFromDouble(value: number): Decimal {
  if (Number.isNaN(value)) return notANumber;
  if (!Number.isFinite(value)) return { kind: 'infinity', negative: value < 0 };
  if (Number.isSafeInteger(value)) return fromSigned(BigInt(value), 0, Object.is(value, -0));
  return decodeDecimal(Decimal128.fromString(value.toPrecision(15)));
}

export function addDecimals(left: Decimal, right: Decimal): Decimal {
  if (left.kind === 'nan' || right.kind === 'nan') return notANumber;
  if (left.kind === 'infinity') {
    return right.kind === 'infinity' && right.negative !== left.negative ? notANumber : left;
  }
  if (right.kind === 'infinity') return right;
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    signed(left) * 10n ** BigInt(left.exponent - exponent) +
    signed(right) * 10n ** BigInt(right.exponent - exponent);
  return round(fromSigned(sum, exponent, left.negative && right.negative));
}

export function negateDecimal(decimal: Decimal): Decimal {
  return decimal.kind === 'nan' ? decimal : { ...decimal, negative: !decimal.negative };
}

export function multiplyDecimals(left: Decimal, right: Decimal): Decimal {
  if (left.kind === 'nan' || right.kind === 'nan') return notANumber;
  const negative = left.negative !== right.negative;
  if (left.kind === 'infinity' || right.kind === 'infinity') {
    const zero =
      (left.kind === 'finite' && left.coefficient === 0n) ||
      (right.kind === 'finite' && right.coefficient === 0n);
    return zero ? notANumber : { kind: 'infinity', negative };
  }
  return round({
    kind: 'finite',
    negative,
    coefficient: left.coefficient * right.coefficient,
    exponent: left.exponent + right.exponent,
  });
}

/** Divides; the caller refuses a zero divisor. */
export function divideDecimals(left: Decimal, right: Decimal): Decimal {
  if (left.kind === 'nan' || right.kind === 'nan') return notANumber;
  const negative = left.negative !== right.negative;
  if (left.kind === 'infinity')
    return right.kind === 'infinity' ? notANumber : { kind: 'infinity', negative };
  if (right.kind === 'infinity')
    return { kind: 'finite', negative, coefficient: 0n, exponent: smallestExponent };
  const ideal = left.exponent - right.exponent;
  const shift = Math.max(0, digits + 2 + digitCount(right.coefficient) - digitCount(left.coefficient));
  const scaled = left.coefficient * 10n ** BigInt(shift);
  let coefficient = scaled / right.coefficient;
  let exponent = ideal - shift;
  if (scaled % right.coefficient !== 0n) {
    // a trailing 1 below the last kept digit keeps the rounding correct
    coefficient = coefficient * 10n + 1n;
    exponent -= 1;
  } else {
    while (exponent < ideal && coefficient !== 0n && coefficient % 10n === 0n) {
      coefficient /= 10n;
      exponent++;
    }
  }
  return round({ kind: 'finite', negative, coefficient, exponent });
}

/** Rounds to `places` decimal places (negative places round left of the point). */
export function roundDecimal(
  decimal: Decimal,
  places: number,
  mode: 'halfEven' | 'truncate' | 'floor' | 'ceil',
): Decimal {
  if (decimal.kind !== 'finite' || decimal.exponent >= -places) return decimal;
  const divisor = 10n ** BigInt(-places - decimal.exponent);
  const exact = decimal.coefficient % divisor === 0n;
  const truncated = decimal.coefficient / divisor;
  const away = !exact && ((mode === 'floor' && decimal.negative) || (mode === 'ceil' && !decimal.negative));
  const coefficient =
    mode === 'halfEven' ? divideHalfEven(decimal.coefficient, divisor) : away ? truncated + 1n : truncated;
  return round({ kind: 'finite', negative: decimal.negative, coefficient, exponent: -places });
}

/** An exact fraction `numerator / denominator` of a finite decimal. */
export function decimalFraction(decimal: FiniteDecimal): { numerator: bigint; denominator: bigint } {
  const value = signed(decimal);
  return decimal.exponent >= 0
    ? { numerator: value * 10n ** BigInt(decimal.exponent), denominator: 1n }
    : { numerator: value, denominator: 10n ** BigInt(-decimal.exponent) };
}

export function compareFiniteDecimals(left: FiniteDecimal, right: FiniteDecimal): number {
  const exponent = Math.min(left.exponent, right.exponent);
  const a = signed(left) * 10n ** BigInt(left.exponent - exponent);
  const b = signed(right) * 10n ** BigInt(right.exponent - exponent);
  return a < b ? -1 : a > b ? 1 : 0;
}
