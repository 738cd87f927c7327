import { BSONRegExp } from 'bson';
import { compareStrings } from '../../bson/compare.ts';
import { toNumber } from '../../bson/numbers.ts';
import { type Document, isNumeric, type Value } from '../../bson/values.ts';
import { badValue, MongoServerError, typeMismatch } from '../../errors.ts';
import { toRegExp } from '../../query/regex/regExp.ts';
import { textOf } from './conversion.ts';
import {
  type Argument,
  binary,
  isNullish,
  namedArguments,
  type OperatorCompiler,
  unary,
  variadic,
} from './operator.ts';

function text(value: Argument, name: string): string {
  if (typeof value !== 'string') throw typeMismatch(`${name} requires a string argument`);
  return value;
}

function integer(value: Argument, name: string): number {
  const number = isNumeric(value) ? toNumber(value) : Number.NaN;
  if (!Number.isInteger(number)) throw badValue(`${name} requires an integer argument`);
  return number;
}

function substringOfCodePoints(values: Argument[], name: string): Argument {
  const [value, start, count] = values;
  const points = [...(isNullish(value) ? '' : textOf(value))];
  const from = integer(start, name);
  const length = integer(count, name);
  if (length < 0)
    throw new MongoServerError('Location34454', `${name}: length must be a nonnegative integer.`);
  if (from < 0)
    throw new MongoServerError('Location34455', `${name}: the starting index must be nonnegative integer.`);
  return points.slice(from, from + length).join('');
}

/** Whether a byte goes on with a UTF-8 character that another byte began. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function substringOfBytes(values: Argument[], name: string): Argument {
  const [value, start, count] = values;
  const bytes = Buffer.from(isNullish(value) ? '' : textOf(value));
  const from = integer(start, name);
  const length = integer(count, name);
  if (from < 0)
    throw new MongoServerError(
      'Location50752',
      `${name}: starting index must be non-negative (got: ${from})`,
    );
  if (isContinuation(bytes[from]))
    throw new MongoServerError(
      'Location28656',
      `${name}: Invalid range, starting index is a UTF-8 continuation byte.`,
    );
  const end = length < 0 ? bytes.length : from + length;
  if (isContinuation(bytes[end]))
    throw new MongoServerError(
      'Location28657',
      `${name}: Invalid range, ending index is in the middle of a UTF-8 character.`,
    );
  return bytes.subarray(from, end).toString();
}

function indexOf(values: Argument[], name: string): Argument {
  const [value, wanted, start, end] = values;
  if (isNullish(value)) return null;
  const points = [...text(value, name)];
  const from = start === undefined ? 0 : integer(start, name);
  const within = points.slice(from, end === undefined ? undefined : integer(end, name)).join('');
  const unit = within.indexOf(text(wanted, name));
  return unit < 0 ? -1 : from + [...within.slice(0, unit)].length;
}

function trimming(sides: { left: boolean; right: boolean }): OperatorCompiler {
  return (operand, compile, name) => {
    const { input, chars } = namedArguments(operand, name, ['input'], ['chars']);
    const source = compile(input ?? null);
    const characters = compile(chars ?? null);
    return (environment) => {
      const value = source(environment);
      if (isNullish(value)) return null;
      const points = [...text(value, name)];
      const list = characters(environment);
      const trimmed = isNullish(list)
        ? (point: string) => /[\s\0]/.test(point)
        : (point: string) => text(list, name).includes(point);
      let start = 0;
      let end = points.length;
      if (sides.left) while (start < end && trimmed(points[start] ?? '')) start++;
      if (sides.right) while (end > start && trimmed(points[end - 1] ?? '')) end--;
      return points.slice(start, end).join('');
    };
  };
}

function split(value: string, separator: string): string[] {
  if (separator === '') throw new MongoServerError('Location40087', '$split requires a non-empty separator');
  return value.split(separator);
}

type Matching = (value: string, expression: RegExp) => Value;

function matching(apply: Matching): OperatorCompiler {
  return (operand, compile, name) => {
    const { input, regex, options } = namedArguments(operand, name, ['input', 'regex'], ['options']);
    const source = compile(input ?? null);
    const pattern = compile(regex ?? null);
    const flags = compile(options ?? null);
    return (environment) => {
      const value = source(environment);
      const expression = pattern(environment);
      if (isNullish(value) || isNullish(expression)) return apply('', /$^./);
      const given = flags(environment);
      return apply(
        text(value, name),
        compiledRegExp(expression, isNullish(given) ? '' : text(given, name), name),
      );
    };
  };
}

function compiledRegExp(value: Value, options: string, name: string): RegExp {
  if (value instanceof BSONRegExp) return toRegExp(value.pattern, options || value.options);
  return toRegExp(text(value, name), options);
}

function found(match: RegExpMatchArray, value: string): Document {
  return {
    match: match[0],
    idx: [...value.slice(0, match.index)].length,
    captures: match.slice(1).map((capture) => capture ?? null),
  };
}

function replacing(everywhere: boolean): OperatorCompiler {
  return (operand, compile, name) => {
    const parts = namedArguments(operand, name, ['input', 'find', 'replacement']);
    const [source, find, replacement] = ['input', 'find', 'replacement'].map((part) =>
      compile(parts[part] ?? null),
    );
    return (environment) => {
      const values = [source?.(environment), find?.(environment), replacement?.(environment)];
      if (values.some(isNullish)) return null;
      const [value = '', wanted = '', by = ''] = values.map((part) => text(part, name));
      return everywhere ? value.replaceAll(wanted, () => by) : value.replace(wanted, () => by);
    };
  };
}

export const stringOperators: Readonly<Record<string, OperatorCompiler>> = {
  $concat: variadic((values, name) =>
    values.some(isNullish) ? null : values.map((value) => text(value, name)).join(''),
  ),
  $toUpper: unary((value) =>
    isNullish(value) ? '' : textOf(value).replace(/[a-z]+/g, (part) => part.toUpperCase()),
  ),
  $toLower: unary((value) =>
    isNullish(value) ? '' : textOf(value).replace(/[A-Z]+/g, (part) => part.toLowerCase()),
  ),
  $strLenCP: unary((value, name) => [...text(value, name)].length),
  $strLenBytes: unary((value, name) => Buffer.byteLength(text(value, name))),
  $strcasecmp: binary((left, right) =>
    Math.sign(
      compareStrings(
        isNullish(left) ? '' : textOf(left).toUpperCase(),
        isNullish(right) ? '' : textOf(right).toUpperCase(),
      ),
    ),
  ),
  $split: binary((value, separator, name) =>
    isNullish(value) || isNullish(separator) ? null : split(text(value, name), text(separator, name)),
  ),
  $substrCP: variadic(substringOfCodePoints, 3, 3),
  $substrBytes: variadic(substringOfBytes, 3, 3),
  $substr: variadic(substringOfBytes, 3, 3),
  $indexOfCP: variadic(indexOf, 2, 4),
  $trim: trimming({ left: true, right: true }),
  $ltrim: trimming({ left: true, right: false }),
  $rtrim: trimming({ left: false, right: true }),
  $regexMatch: matching((value, expression) => expression.test(value)),
  $regexFind: matching((value, expression) => {
    const match = value.match(expression);
    return match === null ? null : found(match, value);
  }),
  $regexFindAll: matching((value, expression) =>
    [...value.matchAll(new RegExp(expression, `${expression.flags}g`))].map((match) => found(match, value)),
  ),
  $replaceOne: replacing(false),
  $replaceAll: replacing(true),
};
