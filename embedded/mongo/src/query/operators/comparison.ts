import { BSONRegExp } from 'bson';
import { compareValues } from '../../bson/compare.ts';
import { keyString } from '../../bson/keyString.ts';
import { isNaNValue } from '../../bson/numbers.ts';
import { isArray, isNumeric, typeOrder, typeOrderOf, type Value } from '../../bson/values.ts';
import { badValue } from '../../errors.ts';
import { newFolding, stringOrder } from '../collation.ts';
import { regularExpression } from './evaluation.ts';
import { anyElement, type FieldOperator, type FilterContext, type ValueTest } from './operator.ts';

export function equality(operand: Value, { collation }: FilterContext): ValueTest {
  if (operand === null) return anyElement((value) => value === null || value === undefined);
  if (typeof operand === 'string' && collation === null) return anyElement((value) => value === operand);
  const strings = stringOrder(collation);
  return anyElement((value) => value !== undefined && compareValues(value, operand, strings) === 0);
}

function negate(test: ValueTest): ValueTest {
  return { ...test, negated: !test.negated };
}

/** Compares within the operand's type only, except against MinKey and MaxKey. */
function range(accepts: (comparison: number) => boolean): FieldOperator {
  return (operand, _condition, { collation }) => {
    const strings = stringOrder(collation);
    const order = typeOrderOf(operand);
    if (order === typeOrder.null)
      return anyElement((value) => (value === null || value === undefined) && accepts(0));
    const anyType = order === typeOrder.minKey || order === typeOrder.maxKey;
    const operandIsNaN = isNumeric(operand) && isNaNValue(operand);
    return anyElement((value) => {
      if (value === undefined || (!anyType && typeOrderOf(value) !== order)) return false;
      const comparison = compareValues(value, operand, strings);
      // NaN is only ever equal to itself
      if (comparison !== 0 && isNumeric(value) && (operandIsNaN || isNaNValue(value))) return false;
      return accepts(comparison);
    });
  };
}

const inList: FieldOperator = (operand, _condition, context) => {
  if (!isArray(operand)) throw badValue('$in needs an array');
  const patterns: ValueTest[] = [];
  const plain: Value[] = [];
  for (const element of operand) {
    if (element instanceof BSONRegExp) patterns.push(regularExpression(element, context));
    else plain.push(element);
  }
  const folding = newFolding(context.collation);
  const keys = new Set(plain.map((element) => keyString(element, folding?.fold)));
  const find = folding?.find;
  return anyElement(
    (value) => keys.has(keyString(value, find)) || patterns.some((pattern) => pattern.test(value)),
  );
};

export const comparisonOperators: Readonly<Record<string, FieldOperator>> = {
  $eq: (operand, _condition, context) => equality(operand, context),
  $ne: (operand, _condition, context) => {
    if (operand instanceof BSONRegExp) throw badValue("Can't have regex as arg to $ne.");
    return negate(equality(operand, context));
  },
  $gt: range((comparison) => comparison > 0),
  $gte: range((comparison) => comparison >= 0),
  $lt: range((comparison) => comparison < 0),
  $lte: range((comparison) => comparison <= 0),
  $in: inList,
  $nin: (operand, condition, context) => {
    if (!isArray(operand)) throw badValue('$nin needs an array');
    const test = inList(operand, condition, context);
    return test === null ? null : negate(test);
  },
};
