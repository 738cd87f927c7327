import { compareValues, equalValues } from '../../bson/compare.ts';
import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { badValue, failedToParse, typeMismatch } from '../../errors.ts';
import { compileSort, parseSort } from '../../query/sort.ts';
import {
  type Argument,
  binary,
  isNullish,
  namedArguments,
  type OperatorCompiler,
  unary,
  variadic,
} from './operator.ts';
import { isTruthy } from './truth.ts';

function arrayArgument(value: Argument, name: string): Value[] {
  if (!isArray(value)) throw typeMismatch(`${name} requires an array argument`);
  return value;
}

function integer(value: Argument, name: string): number {
  const number = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (!Number.isInteger(number)) throw badValue(`${name} requires an integer argument`);
  return number;
}

function slice(values: Argument[], name: string): Argument {
  const [list, first, second] = values;
  if (isNullish(list) || isNullish(first)) return null;
  const array = arrayArgument(list, name);
  const start = integer(first, name);
  if (second === undefined) return start >= 0 ? array.slice(0, start) : array.slice(start);
  const count = integer(second, name);
  if (count <= 0) throw badValue('Third argument to $slice must be positive');
  const from = start < 0 ? Math.max(0, array.length + start) : start;
  return array.slice(from, from + count);
}

function range(values: Argument[], name: string): Argument {
  const [start, end, step] = values.map((value) => integer(value ?? 1, name));
  const by = values.length === 3 ? (step ?? 1) : 1;
  if (by === 0) throw badValue('$range requires a non-zero step value');
  const result: number[] = [];
  for (let value = start ?? 0; by > 0 ? value < (end ?? 0) : value > (end ?? 0); value += by)
    result.push(value);
  return result;
}

function indexOfArray(values: Argument[], name: string): Argument {
  const [list, wanted, start, end] = values;
  if (isNullish(list)) return null;
  const array = arrayArgument(list, name);
  const to = end === undefined ? array.length : Math.min(integer(end, name), array.length);
  for (let index = start === undefined ? 0 : integer(start, name); index < to; index++) {
    if (equalValues(array[index], wanted)) return index;
  }
  return -1;
}

const sortArray: OperatorCompiler = (operand, compile, name) => {
  const { input, sortBy } = namedArguments(operand, name, ['input', 'sortBy']);
  const source = compile(input ?? null);
  const order = isDocument(sortBy) ? documentOrder(sortBy) : valueOrder(sortBy);
  return (environment) => {
    const list = source(environment);
    return isNullish(list) ? null : arrayArgument(list, name).toSorted(order);
  };
};

function documentOrder(specification: Document): (left: Value, right: Value) => number {
  const order = compileSort(parseSort(specification), null);
  return (left, right) => order(isDocument(left) ? left : {}, isDocument(right) ? right : {});
}

function valueOrder(direction: Value | undefined): (left: Value, right: Value) => number {
  const sign = isNumeric(direction) ? toNumber(direction) : 0;
  if (sign !== 1 && sign !== -1) throw failedToParse('$sortArray requires sortBy to be 1, -1 or an object');
  return (left, right) => compareValues(left, right) * sign;
}

const zip: OperatorCompiler = (operand, compile, name) => {
  const { inputs, useLongestLength, defaults } = namedArguments(
    operand,
    name,
    ['inputs'],
    ['useLongestLength', 'defaults'],
  );
  const source = compile(inputs ?? null);
  const fillers = compile(defaults ?? null);
  return (environment) => {
    const lists = source(environment);
    if (isNullish(lists) || (isArray(lists) && lists.some(isNullish))) return null;
    const arrays = arrayArgument(lists, name).map((list) => arrayArgument(list, name));
    const lengths = arrays.map((array) => array.length);
    const length = isTruthy(useLongestLength) ? Math.max(...lengths) : Math.min(...lengths);
    const filler = fillers(environment);
    return Array.from({ length }, (_, row) =>
      arrays.map((array, column) => array[row] ?? (isArray(filler) ? filler[column] : null) ?? null),
    );
  };
};

export const arrayOperators: Readonly<Record<string, OperatorCompiler>> = {
  $arrayElemAt: binary((list, index, name) => {
    if (isNullish(list) || isNullish(index)) return null;
    return arrayArgument(list, name).at(integer(index, name));
  }),
  $first: unary((list, name) => (isNullish(list) ? null : arrayArgument(list, name)[0])),
  $last: unary((list, name) => (isNullish(list) ? null : arrayArgument(list, name).at(-1))),
  $size: unary((list, name) => {
    if (!isArray(list)) throw typeMismatch(`The argument to ${name} must be an array`);
    return list.length;
  }),
  $isArray: unary((value) => isArray(value)),
  $concatArrays: variadic((lists, name) =>
    lists.some(isNullish) ? null : lists.flatMap((list) => arrayArgument(list, name)),
  ),
  $reverseArray: unary((list, name) => (isNullish(list) ? null : arrayArgument(list, name).toReversed())),
  $in: binary((wanted, list, name) =>
    arrayArgument(list, name).some((element) => equalValues(element, wanted)),
  ),
  $indexOfArray: variadic(indexOfArray, 2, 4),
  $slice: variadic(slice, 2, 3),
  $range: variadic(range, 2, 3),
  $sortArray: sortArray,
  $zip: zip,
};
