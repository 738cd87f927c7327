import { BSONRegExp, BSONSymbol } from 'bson';
import { equalValues } from '../../bson/compare.ts';
import { toNumber } from '../../bson/numbers.ts';
import { isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { badValue } from '../../errors.ts';
import { storedRegExp, toRegExp } from '../regex/regExp.ts';
import { anyElement, type FieldOperator, type FilterContext, passes, type ValueTest } from './operator.ts';

export function regularExpression(value: BSONRegExp, { isStored }: FilterContext): ValueTest {
  const expression = (isStored ? storedRegExp : toRegExp)(value.pattern, value.options);
  return anyElement((candidate) => {
    if (typeof candidate === 'string') return expression.test(candidate);
    if (candidate instanceof BSONSymbol) return expression.test(candidate.value);
    return candidate instanceof BSONRegExp && equalValues(candidate, value);
  });
}

const regex: FieldOperator = (operand, condition, context) => {
  const { $options: options } = condition;
  if (options !== undefined && typeof options !== 'string') throw badValue('$options has to be a string');
  if (operand instanceof BSONRegExp)
    return regularExpression(new BSONRegExp(operand.pattern, options ?? operand.options), context);
  if (typeof operand !== 'string') throw badValue('$regex has to be a string');
  return regularExpression(new BSONRegExp(operand, options ?? ''), context);
};

const modulo: FieldOperator = (operand) => {
  if (!isArray(operand) || operand.length !== 2) throw badValue('malformed mod, not enough elements');
  const [divisor, remainder] = operand.map((part) => {
    if (!isNumeric(part)) throw badValue('malformed mod, divisor and remainder must be numbers');
    return typeof part === 'bigint' ? part : BigInt(Math.trunc(toNumber(part)));
  });
  if (divisor === undefined || remainder === undefined || divisor === 0n)
    throw badValue('divisor cannot be 0');
  return anyElement((value) => {
    if (!isNumeric(value)) return false;
    if (typeof value === 'bigint') return value % divisor === remainder;
    const number = toNumber(value);
    return Number.isFinite(number) && BigInt(Math.trunc(number)) % divisor === remainder;
  });
};

const not: FieldOperator = (operand, _condition, context) => {
  if (!(operand instanceof BSONRegExp) && !isDocument(operand))
    throw badValue('$not needs a regex or a document');
  if (isDocument(operand) && !Object.keys(operand)[0]?.startsWith('$')) {
    throw badValue('$not cannot be empty, and needs operators');
  }
  const tests = context.compileCondition(operand);
  return {
    test: (value: Value | undefined) => tests.every((test) => passes(test, value)),
    negated: true,
    wholeOnly: true,
  };
};

export const evaluationOperators: Readonly<Record<string, FieldOperator>> = {
  $regex: regex,
  $options: (_operand, condition) => {
    if (condition.$regex === undefined) throw badValue('$options needs a $regex');
    return null;
  },
  $mod: modulo,
  $not: not,
  $comment: () => null,
};
