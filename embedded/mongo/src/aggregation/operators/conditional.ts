import { isArray, isDocument } from '../../bson/values.ts';
import { failedToParse, MongoServerError } from '../../errors.ts';
import { argumentList, isNullish, namedArguments, type OperatorCompiler } from './operator.ts';
import { isTruthy } from './truth.ts';

const condition: OperatorCompiler = (operand, compile, name) => {
  const list = isArray(operand)
    ? argumentList(operand, compile, name, 3)
    : ['if', 'then', 'else'].map((part) =>
        compile(namedArguments(operand, name, ['if', 'then', 'else'])[part] ?? null),
      );
  const [test = () => null, then = () => null, otherwise = () => null] = list;
  return (environment) => (isTruthy(test(environment)) ? then(environment) : otherwise(environment));
};

const switchCase: OperatorCompiler = (operand, compile, name) => {
  const { branches, default: fallback } = namedArguments(operand, name, ['branches'], ['default']);
  if (!isArray(branches) || branches.length === 0)
    throw failedToParse('$switch requires at least one branch');
  const compiled = branches.map((branch) => {
    if (!isDocument(branch)) throw failedToParse('$switch expected each branch to be an object');
    const { case: test, then } = namedArguments(branch, '$switch branch', ['case', 'then']);
    return { test: compile(test ?? null), result: compile(then ?? null) };
  });
  const otherwise = fallback === undefined ? null : compile(fallback);
  return (environment) => {
    for (const { test, result } of compiled) if (isTruthy(test(environment))) return result(environment);
    if (otherwise !== null) return otherwise(environment);
    throw new MongoServerError(
      'Location40066',
      '$switch could not find a matching branch for an input, and no default was specified.',
    );
  };
};

export const conditionalOperators: Readonly<Record<string, OperatorCompiler>> = {
  $cond: condition,
  $switch: switchCase,
  $ifNull: (operand, compile, name) => {
    const list = argumentList(operand, compile, name, 2, Number.POSITIVE_INFINITY);
    return (environment) => {
      for (const argument of list) {
        const value = argument(environment);
        if (!isNullish(value)) return value;
      }
      return list.at(-1)?.(environment);
    };
  },
};
