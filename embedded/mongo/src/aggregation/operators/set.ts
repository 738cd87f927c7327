import { keyString } from '../../bson/keyString.ts';
import { isArray, type Value } from '../../bson/values.ts';
import { typeMismatch } from '../../errors.ts';
import { type Argument, binary, isNullish, type OperatorCompiler, unary, variadic } from './operator.ts';
import { isTruthy } from './truth.ts';

function byKey(values: Value[]): Map<string, Value> {
  return new Map(values.map((value) => [keyString(value), value]));
}

function arrayArgument(value: Argument, name: string): Value[] {
  if (!isArray(value)) throw typeMismatch(`All operands of ${name} must be arrays`);
  return value;
}

export const setOperators: Readonly<Record<string, OperatorCompiler>> = {
  $setUnion: variadic((values, name) =>
    values.some(isNullish)
      ? null
      : [...byKey(values.flatMap((value) => arrayArgument(value, name))).values()],
  ),
  $setIntersection: variadic((values, name) => {
    if (values.some(isNullish)) return null;
    const [first, ...others] = values.map((value) => byKey(arrayArgument(value, name)));
    return [...(first ?? [])]
      .filter(([key]) => others.every((other) => other.has(key)))
      .map(([, value]) => value);
  }),
  $setDifference: binary((left, right, name) => {
    if (isNullish(left) || isNullish(right)) return null;
    const removed = byKey(arrayArgument(right, name));
    return [...byKey(arrayArgument(left, name))]
      .filter(([key]) => !removed.has(key))
      .map(([, value]) => value);
  }),
  $setEquals: variadic((values, name) => {
    const [first, ...others] = values.map((value) => byKey(arrayArgument(value, name)));
    return others.every(
      (other) => other.size === first?.size && [...other.keys()].every((key) => first.has(key)),
    );
  }, 2),
  $setIsSubset: binary((left, right, name) => {
    const container = byKey(arrayArgument(right, name));
    return [...byKey(arrayArgument(left, name)).keys()].every((key) => container.has(key));
  }),
  $anyElementTrue: unary((value, name) => arrayArgument(value, name).some(isTruthy)),
  $allElementsTrue: unary((value, name) => arrayArgument(value, name).every(isTruthy)),
};
