import { BSONRegExp, BSONSymbol } from 'bson';
import { equalValues } from '../../bson/compare.ts';
import { toNumber } from '../../bson/numbers.ts';
import { isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { badValue, MongoServerError } from '../../errors.ts';
import { anyElement, type FieldOperator, passes, type ValueTest } from './operator.ts';

/** A JavaScript regular expression for a PCRE one; the `x` flag is applied by removing what it ignores. */
export function toRegExp(pattern: string, options: string): RegExp {
  let source = pattern;
  let flags = 'u';
  for (const option of options) {
    if (option === 'i' || option === 'm' || option === 's') flags += option;
    else if (option === 'x') source = source.replace(/\\.|\[(?:\\.|[^\]])*\]|\s+|#.*$/gm, keepUnlessSpace);
    else if (option !== 'u') throw badValue(`invalid flag in regex options: ${option}`);
  }
  const inline = /^\(\?([ims]+)\)/.exec(source);
  if (inline?.[1] !== undefined) {
    flags = [...new Set(flags + inline[1])].join('');
    source = source.slice(inline[0].length);
  }
  try {
    return new RegExp(source, flags);
  } catch {
    return withoutUnicode(source, flags.replace('u', ''));
  }
}

function keepUnlessSpace(part: string): string {
  return /^(\s|#)/.test(part) ? '' : part;
}

/** Escapes that PCRE allows and the unicode mode refuses. */
function withoutUnicode(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new MongoServerError(
      'BadValue',
      `Regular expression is invalid: ${error instanceof Error ? error.message : source}`,
    );
  }
}

export function regularExpression(value: BSONRegExp): ValueTest {
  const expression = toRegExp(value.pattern, value.options);
  return anyElement((candidate) => {
    if (typeof candidate === 'string') return expression.test(candidate);
    if (candidate instanceof BSONSymbol) return expression.test(candidate.value);
    return candidate instanceof BSONRegExp && equalValues(candidate, value);
  });
}

const regex: FieldOperator = (operand, condition) => {
  const { $options: options } = condition;
  if (options !== undefined && typeof options !== 'string') throw badValue('$options has to be a string');
  if (operand instanceof BSONRegExp)
    return regularExpression(new BSONRegExp(operand.pattern, options ?? operand.options));
  if (typeof operand !== 'string') throw badValue('$regex has to be a string');
  return regularExpression(new BSONRegExp(operand, options ?? ''));
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
