import { toNumber } from '../../bson/numbers.ts';
import { isArray, isNumeric, type Value } from '../../bson/values.ts';
import { badValue, typeMismatch } from '../../errors.ts';
import { type Accumulator, Percentiles, Several, simpleAccumulators } from '../accumulators.ts';
import { argumentList, isNullish, namedArguments, type OperatorCompiler } from './operator.ts';

// The accumulators that are also expressions: over their arguments, or over the elements of a single array.

function overArguments(name: string): OperatorCompiler {
  return (operand, compile) => {
    const list = argumentList(operand, compile, name, 0, Number.POSITIVE_INFINITY);
    return (environment) => {
      const accumulator = simpleAccumulators[name]?.();
      const values = list.map((argument) => argument(environment));
      const [only] = values;
      for (const value of values.length === 1 && isArray(only) ? only : values) accumulator?.add(value);
      return accumulator?.result();
    };
  };
}

function fill(accumulator: Accumulator, values: readonly Value[]): Value | undefined {
  for (const value of values) accumulator.add(value);
  return accumulator.result();
}

function several(kind: 'first' | 'last' | 'min' | 'max'): OperatorCompiler {
  return (operand, compile, name) => {
    const { input, n } = namedArguments(operand, name, ['input', 'n']);
    const source = compile(input ?? null);
    const count = compile(n ?? null);
    return (environment) => {
      const values = source(environment);
      if (!isArray(values)) throw typeMismatch(`${name} requires 'input' to be an array`);
      return fill(new Several(kind, positiveCount(count(environment), name)), values);
    };
  };
}

export function positiveCount(value: Value | undefined, name: string): number {
  const count = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (!Number.isInteger(count) || count < 1) throw badValue(`'n' of ${name} must be a positive integer`);
  return count;
}

/** The shares of $percentile, or 'median'. Both methods give exact, discrete percentiles here. */
export function percentileShares(
  operand: Value,
  name: string,
): { input: Value; shares: readonly number[] | 'median' } {
  if (name === '$median')
    return { input: namedArguments(operand, name, ['input', 'method']).input ?? null, shares: 'median' };
  const { input, p } = namedArguments(operand, name, ['input', 'p', 'method']);
  if (!isArray(p)) throw typeMismatch("'p' of $percentile must be an array of numbers");
  const shares = p.map((share) => {
    const number = isNumeric(share) ? toNumber(share) : Number.NaN;
    if (!(number >= 0 && number <= 1)) throw badValue("'p' of $percentile must hold numbers between 0 and 1");
    return number;
  });
  return { input: input ?? null, shares };
}

const percentile: OperatorCompiler = (operand, compile, name) => {
  const { input, shares } = percentileShares(operand, name);
  const source = compile(input);
  return (environment) => {
    const values = source(environment);
    if (isNullish(values)) return fill(new Percentiles(shares), []);
    return fill(new Percentiles(shares), isArray(values) ? values : [values]);
  };
};

export const accumulatingOperators: Readonly<Record<string, OperatorCompiler>> = {
  $sum: overArguments('$sum'),
  $avg: overArguments('$avg'),
  $min: overArguments('$min'),
  $max: overArguments('$max'),
  $stdDevPop: overArguments('$stdDevPop'),
  $stdDevSamp: overArguments('$stdDevSamp'),
  $firstN: several('first'),
  $lastN: several('last'),
  $minN: several('min'),
  $maxN: several('max'),
  $percentile: percentile,
  $median: percentile,
};
