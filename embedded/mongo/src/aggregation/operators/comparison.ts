import { compareValues } from '../../bson/compare.ts';
import { argumentList, binary, type OperatorCompiler, unary } from './operator.ts';
import { isTruthy } from './truth.ts';

function comparing(accepts: (comparison: number) => boolean): OperatorCompiler {
  return binary((left, right) => accepts(compareValues(left, right)));
}

export const comparisonOperators: Readonly<Record<string, OperatorCompiler>> = {
  $eq: comparing((comparison) => comparison === 0),
  $ne: comparing((comparison) => comparison !== 0),
  $gt: comparing((comparison) => comparison > 0),
  $gte: comparing((comparison) => comparison >= 0),
  $lt: comparing((comparison) => comparison < 0),
  $lte: comparing((comparison) => comparison <= 0),
  $cmp: binary((left, right) => Math.sign(compareValues(left, right))),
  $and: (operand, compile, name) => {
    const list = argumentList(operand, compile, name, 0, Number.POSITIVE_INFINITY);
    return (environment) => list.every((argument) => isTruthy(argument(environment)));
  },
  $or: (operand, compile, name) => {
    const list = argumentList(operand, compile, name, 0, Number.POSITIVE_INFINITY);
    return (environment) => list.some((argument) => isTruthy(argument(environment)));
  },
  $not: unary((value) => !isTruthy(value)),
};
