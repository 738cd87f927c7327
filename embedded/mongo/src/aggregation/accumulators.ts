import { Decimal128, Double } from 'bson';
import { compareValues } from '../bson/compare.ts';
import {
  addDecimals,
  type Decimal,
  decimalFromInteger,
  divideDecimals,
  encodeDecimal,
} from '../bson/decimal.ts';
import { keyString } from '../bson/keyString.ts';
import { toDecimal, toNumber } from '../bson/numbers.ts';
import {
  doubleValue,
  fitsInt64,
  isDocument,
  isInt32,
  isNumeric,
  type Numeric,
  type Value,
} from '../bson/values.ts';
import { typeMismatch } from '../errors.ts';

/** Takes one value per document and gives the result for the group. */
export interface Accumulator {
  add(value: Value | undefined): void;
  result(): Value | undefined;
}

/** An exact sum: integers and decimals never pass through a float; doubles are summed with compensation. */
export class Sum implements Accumulator {
  private integers = 0n;
  private small = 0;
  private doubles = 0;
  private compensation = 0;
  private decimals: Decimal | null = null;
  private sawDouble = false;
  private sawLong = false;
  count = 0;

  add(value: Value | undefined): void {
    if (!isNumeric(value)) return;
    this.count++;
    if (typeof value === 'number' && isInt32(value)) this.addSmall(value);
    else if (typeof value === 'bigint') {
      this.sawLong = true;
      this.integers += value;
    } else if (value instanceof Decimal128) {
      this.decimals =
        this.decimals === null ? toDecimal(value) : addDecimals(this.decimals, toDecimal(value));
    } else this.addDouble(value instanceof Double ? value.value : value);
  }

  private addSmall(value: number): void {
    this.small += value;
    if (Number.isSafeInteger(this.small)) return;
    this.integers += BigInt(this.small - value) + BigInt(value);
    this.small = 0;
  }

  private addDouble(value: number): void {
    this.sawDouble = true;
    const sum = this.doubles + value;
    this.compensation +=
      Math.abs(this.doubles) >= Math.abs(value) ? this.doubles - sum + value : value - sum + this.doubles;
    this.doubles = sum;
  }

  private get doubleTotal(): number {
    return Number.isFinite(this.compensation) ? this.doubles + this.compensation : this.doubles;
  }

  private get integerTotal(): bigint {
    return this.integers + BigInt(this.small);
  }

  result(): Numeric {
    const integers = this.integerTotal;
    if (this.decimals !== null) return encodeDecimal(this.decimalTotal());
    if (this.sawDouble) return doubleValue(Number(integers) + this.doubleTotal);
    if (!this.sawLong && isInt32(Number(integers))) return Number(integers);
    return fitsInt64(integers) ? integers : doubleValue(Number(integers));
  }

  private decimalTotal(): Decimal {
    let total = addDecimals(this.decimals ?? decimalFromInteger(0n), decimalFromInteger(this.integerTotal));
    if (this.sawDouble) total = addDecimals(total, toDecimal(doubleValue(this.doubleTotal)));
    return total;
  }

  average(): Value {
    if (this.count === 0) return null;
    if (this.decimals !== null)
      return encodeDecimal(divideDecimals(this.decimalTotal(), decimalFromInteger(BigInt(this.count))));
    return doubleValue((Number(this.integerTotal) + this.doubleTotal) / this.count);
  }
}

class Average implements Accumulator {
  private readonly sum = new Sum();

  add(value: Value | undefined): void {
    this.sum.add(value);
  }

  result(): Value {
    return this.sum.average();
  }
}

class Extreme implements Accumulator {
  private best: Value | undefined;
  private readonly sign: number;

  constructor(sign: number) {
    this.sign = sign;
  }

  add(value: Value | undefined): void {
    if (value === undefined || value === null) return;
    if (this.best === undefined || compareValues(value, this.best) * this.sign > 0) this.best = value;
  }

  result(): Value {
    return this.best ?? null;
  }
}

class First implements Accumulator {
  private value: Value | undefined;
  private isSet = false;

  add(value: Value | undefined): void {
    if (this.isSet) return;
    this.value = value;
    this.isSet = true;
  }

  result(): Value {
    return this.value ?? null;
  }
}

class Last implements Accumulator {
  private value: Value | undefined;

  add(value: Value | undefined): void {
    this.value = value;
  }

  result(): Value {
    return this.value ?? null;
  }
}

class Push implements Accumulator {
  private readonly values: Value[] = [];

  add(value: Value | undefined): void {
    if (value !== undefined) this.values.push(value);
  }

  result(): Value[] {
    return this.values;
  }
}

class AddToSet implements Accumulator {
  private readonly values = new Map<string, Value>();

  add(value: Value | undefined): void {
    if (value === undefined) return;
    const key = keyString(value);
    if (!this.values.has(key)) this.values.set(key, value);
  }

  result(): Value[] {
    return [...this.values.values()];
  }
}

class MergeObjects implements Accumulator {
  private readonly merged: { [field: string]: Value } = {};

  add(value: Value | undefined): void {
    if (value === undefined || value === null) return;
    if (!isDocument(value)) throw typeMismatch('$mergeObjects requires object inputs');
    Object.assign(this.merged, value);
  }

  result(): Value {
    return this.merged;
  }
}

/** Welford's running variance. */
class StandardDeviation implements Accumulator {
  private count = 0;
  private mean = 0;
  private squares = 0;
  private readonly isSample: boolean;

  constructor(isSample: boolean) {
    this.isSample = isSample;
  }

  add(value: Value | undefined): void {
    if (!isNumeric(value)) return;
    const number = toNumber(value);
    this.count++;
    const difference = number - this.mean;
    this.mean += difference / this.count;
    this.squares += difference * (number - this.mean);
  }

  result(): Value {
    const divisor = this.isSample ? this.count - 1 : this.count;
    return divisor > 0 ? doubleValue(Math.sqrt(this.squares / divisor)) : null;
  }
}

/** Exact order statistics: the smallest value that at least the asked share of all values does not exceed. */
export class Percentiles implements Accumulator {
  private readonly values: number[] = [];
  private readonly shares: readonly number[] | 'median';

  constructor(shares: readonly number[] | 'median') {
    this.shares = shares;
  }

  add(value: Value | undefined): void {
    if (isNumeric(value)) this.values.push(toNumber(value));
  }

  result(): Value {
    const sorted = Float64Array.from(this.values).sort();
    const at = (share: number): Value => {
      if (sorted.length === 0) return null;
      return doubleValue(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
    };
    return this.shares === 'median' ? at(0.5) : this.shares.map(at);
  }
}

/** The first or last `count` values in an order; null and missing are left out where MongoDB does. */
export class Several implements Accumulator {
  private values: Value[] = [];
  private readonly count: number;
  private readonly kind: 'first' | 'last' | 'min' | 'max';

  constructor(kind: 'first' | 'last' | 'min' | 'max', count: number) {
    this.kind = kind;
    this.count = count;
  }

  add(value: Value | undefined): void {
    if (this.kind === 'first') {
      if (this.values.length < this.count) this.values.push(value ?? null);
    } else if (this.kind === 'last') {
      this.values.push(value ?? null);
      if (this.values.length > this.count) this.values.shift();
    } else if (value !== undefined && value !== null) {
      this.values.push(value);
      if (this.values.length > this.count * 2 + 100) this.values = this.best();
    }
  }

  private best(): Value[] {
    const sign = this.kind === 'min' ? 1 : -1;
    return this.values.toSorted((left, right) => compareValues(left, right) * sign).slice(0, this.count);
  }

  result(): Value[] {
    return this.kind === 'min' || this.kind === 'max' ? this.best() : this.values;
  }
}

/** Accumulators whose operand is one expression. */
export const simpleAccumulators: Readonly<Record<string, () => Accumulator>> = {
  $sum: () => new Sum(),
  $avg: () => new Average(),
  $min: () => new Extreme(-1),
  $max: () => new Extreme(1),
  $first: () => new First(),
  $last: () => new Last(),
  $push: () => new Push(),
  $addToSet: () => new AddToSet(),
  $mergeObjects: () => new MergeObjects(),
  $stdDevPop: () => new StandardDeviation(false),
  $stdDevSamp: () => new StandardDeviation(true),
};
