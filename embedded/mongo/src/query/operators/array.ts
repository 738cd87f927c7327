import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { badValue } from '../../errors.ts';
import { type FieldOperator, passes, wholeValue } from './operator.ts';

const size: FieldOperator = (operand) => {
  if (!isNumeric(operand) || !Number.isInteger(toNumber(operand)) || toNumber(operand) < 0) {
    throw badValue('$size must be a non-negative whole number');
  }
  const length = toNumber(operand);
  return wholeValue((value) => isArray(value) && value.length === length);
};

const elemMatch: FieldOperator = (operand, _condition, context) => {
  if (!isDocument(operand)) throw badValue('$elemMatch needs an Object');
  const test = elementTest(operand, context);
  return wholeValue((value) => isArray(value) && value.some(test));
};

/** A condition on elements themselves ({$gt: 5}), or a filter on elements that are documents. */
export function elementTest(
  operand: { [field: string]: Value },
  context: Parameters<FieldOperator>[2],
): (element: Value) => boolean {
  const first = Object.keys(operand)[0];
  const isCondition = first?.startsWith('$') && !['$and', '$or', '$nor', '$expr'].includes(first);
  if (isCondition) {
    const tests = context.compileCondition(operand);
    return (element) => tests.every((test) => passes(test, element));
  }
  const predicate = context.compileFilter(operand);
  return (element) => isDocument(element) && predicate(element);
}

function isOperator(element: Document): boolean {
  return Object.keys(element)[0]?.startsWith('$') === true && !('$ref' in element || '$id' in element);
}

const all: FieldOperator = (operand, _condition, context) => {
  if (!isArray(operand)) throw badValue('$all needs an array');
  const isElemMatch = (element: Value) => isDocument(element) && Object.keys(element)[0] === '$elemMatch';
  const areElemMatches = operand.length > 0 && operand.every(isElemMatch);
  if (
    !context.isStored &&
    !areElemMatches &&
    operand.some((element) => isDocument(element) && isOperator(element))
  )
    throw badValue('no $ expressions in $all');
  const tests = operand.map((element) => context.compileCondition(element));
  return wholeValue(
    (value) =>
      tests.length > 0 && tests.every((conditions) => conditions.every((test) => passes(test, value))),
  );
};

export const arrayOperators: Readonly<Record<string, FieldOperator>> = {
  $size: size,
  $elemMatch: elemMatch,
  $all: all,
};
