import { typeName, type Value } from '../../bson/values.ts';
import { MongoServerError, notSupported, typeMismatch } from '../../errors.ts';
import type { Environment } from '../expression.ts';
import { evaluateDelegated } from './delegated.ts';
import { type Argument, type Compile, isNullish, namedArguments, type OperatorCompiler } from './operator.ts';

// Dates as text. The calendar is mingo's; what a format may hold, and whether a text names a day that exists, is
// checked here, because mingo takes anything.

/** The named arguments of an operator, each computed when it is asked for. */
function compileNamed(
  operand: Value,
  compile: Compile,
  name: string,
  required: string,
  optional: readonly string[],
): (field: string, environment: Environment) => Argument {
  const given = namedArguments(operand, name, [required], optional);
  const compiled = new Map(Object.entries(given).map(([field, value]) => [field, compile(value)]));
  return (field, environment) => compiled.get(field)?.(environment);
}

function textOrNull(value: Argument, what: string): string | null {
  if (isNullish(value)) return null;
  if (typeof value !== 'string') throw typeMismatch(`${what} must be a string, found: ${typeName(value)}`);
  return value;
}

/** The parts of a format between its `%%`; each other `%` begins a known specifier. */
function partsOfFormat(format: string, known: string): string[] {
  const parts = [''];
  for (const [token = ''] of format.matchAll(/%.?|[^%]+/gs)) {
    if (token === '%%') parts.push('');
    else parts.push((parts.pop() ?? '') + token);
    if (token === '%') throw new MongoServerError('Location18535', "Unmatched '%' at end of format string");
    if (token.startsWith('%') && token !== '%%' && !known.includes(token[1] ?? ''))
      throw new MongoServerError('Location18536', `Invalid format character '${token}' in format string`);
  }
  return parts;
}

const dateToString: OperatorCompiler = (operand, compile, name) => {
  const argument = compileNamed(operand, compile, name, 'date', ['format', 'timezone', 'onNull']);
  return (environment) => {
    const date = argument('date', environment);
    if (isNullish(date)) return argument('onNull', environment) ?? null;
    const timezone = textOrNull(argument('timezone', environment), `timezone of ${name}`);
    const zone = timezone === null ? {} : { timezone };
    const format = textOrNull(argument('format', environment), `format of ${name}`);
    if (format === null) return evaluateDelegated(name, { date, ...zone });
    return partsOfFormat(format, 'bBdGHjLmMSuUVwYzZ')
      .map((part) => {
        if (!part.includes('%')) return part;
        // mingo gives the calendar year, which differs around the new year
        const withYear = part.replaceAll('%G', () => isoWeekYear(date, zone));
        return evaluateDelegated(name, { date, ...zone, format: withYear });
      })
      .join('%');
  };
};

/** The year of the week's Thursday. */
function isoWeekYear(date: Value, zone: { timezone?: string }): string {
  const [day = '', weekday = ''] = String(
    evaluateDelegated('$dateToString', { date, ...zone, format: '%Y-%m-%d %u' }),
  ).split(' ');
  const thursday = new Date(`${day}T00:00:00Z`);
  thursday.setUTCDate(thursday.getUTCDate() + 4 - Number(weekday));
  return String(thursday.getUTCFullYear()).padStart(4, '0');
}

interface ParsedDate {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  millisecond: number;
  /** Minutes east of UTC, when the text says so. */
  offset: number | null;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const isoText =
  /^(?<Y>\d{4})-(?<m>\d{1,2})-(?<d>\d{1,2})(?:[T ](?<H>\d{1,2}):(?<M>\d{2})(?::(?<S>\d{2})(?:\.(?<L>\d{1,9}))?)?)? ?(?<z>[A-IK-Zz]|UTC|GMT|[+-]\d{2}:?\d{2})?$/;
const patterns: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  m: '(?<m>\\d{1,2})',
  d: '(?<d>\\d{1,2})',
  H: '(?<H>\\d{1,2})',
  M: '(?<M>\\d{1,2})',
  S: '(?<S>\\d{1,2})',
  L: '(?<L>\\d{1,3})',
  j: '(?<j>\\d{1,3})',
  b: '(?<b>[a-zA-Z]{3})',
  B: '(?<b>[a-zA-Z]{3,9})',
  z: '(?<z>Z|[+-]\\d{2}:?\\d{2})',
  Z: '(?<Z>[+-]?\\d+)',
};

function compileFormat(format: string): RegExp {
  const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  const parts = partsOfFormat(format, 'bBdGHjLmMSuVYzZ').map((part) =>
    part
      .split(/(%.)/s)
      .map((token) => {
        if (!token.startsWith('%')) return literal(token);
        const pattern = patterns[token[1] ?? ''];
        if (pattern === undefined)
          throw notSupported(`the specifier '${token}' in a format of $dateFromString`);
        return pattern;
      })
      .join(''),
  );
  try {
    return new RegExp(`^${parts.join('%')}$`);
  } catch {
    throw notSupported('a specifier that is twice in a format of $dateFromString');
  }
}

/** The date that a text names, or null when it is not of that form or there is no such day. */
function parseDate(text: string, form: RegExp): ParsedDate | null {
  const groups = form.exec(text)?.groups;
  if (groups?.Y === undefined) return null;
  const number = (value: string | undefined) => (value === undefined ? 0 : Number(value));
  const named = groups.b === undefined ? undefined : months.indexOf(groups.b.slice(0, 3).toLowerCase()) + 1;
  const isDayOfYear = groups.j !== undefined && groups.m === undefined && named === undefined;
  const parsed: ParsedDate = {
    year: Number(groups.Y),
    month: isDayOfYear ? 1 : (named ?? number(groups.m)),
    day: isDayOfYear ? number(groups.j) : number(groups.d),
    hour: number(groups.H),
    minute: number(groups.M),
    second: number(groups.S),
    millisecond: number((groups.L ?? '').padEnd(3, '0').slice(0, 3)),
    offset: groups.Z === undefined ? offsetOf(groups.z) : Number(groups.Z),
  };
  const { year, month, day, hour, minute, second } = parsed;
  const lastDay = isDayOfYear ? daysInMonth(year, 2) + 337 : daysInMonth(year, month);
  const exists =
    month >= 1 && month <= 12 && day >= 1 && day <= lastDay && hour < 24 && minute < 60 && second < 60;
  return exists ? parsed : null;
}

export function daysInMonth(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}

function offsetOf(zone: string | undefined): number | null {
  if (zone === undefined) return null;
  const numeric = /^([+-])(\d\d):?(\d\d)$/.exec(zone);
  if (numeric !== null) return (Number(numeric[2]) * 60 + Number(numeric[3])) * (numeric[1] === '-' ? -1 : 1);
  if (zone.length > 1 || zone === 'Z' || zone === 'z') return 0;
  // the letters of ships and planes: A to M east of Greenwich without J, N to Y west
  const letter = zone.charCodeAt(0) - 64;
  return 60 * (zone < 'J' ? letter : zone < 'N' ? letter - 1 : 13 - letter);
}

function asIfUtc({ year, month, day, hour, minute, second, millisecond }: ParsedDate): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, millisecond);
  return date;
}

/** The instant at which clocks that many minutes east of UTC show this time. */
function east(local: Date, minutes: number): Date {
  return new Date(local.getTime() - minutes * 60_000);
}

function offsetAt(date: Date, timezone: string): number {
  return Number(evaluateDelegated('$dateToString', { date, timezone, format: '%Z' }));
}

const dateFromString: OperatorCompiler = (operand, compile, name) => {
  const argument = compileNamed(operand, compile, name, 'dateString', [
    'format',
    'timezone',
    'onError',
    'onNull',
  ]);
  return (environment) => {
    const value = argument('dateString', environment);
    if (isNullish(value)) return argument('onNull', environment) ?? null;
    const format = textOrNull(argument('format', environment), `format of ${name}`);
    const timezone = textOrNull(argument('timezone', environment), `timezone of ${name}`);
    const form = format === null ? isoText : compileFormat(format);
    const parsed = typeof value === 'string' ? parseDate(value, form) : null;
    if (parsed === null || (parsed.offset !== null && timezone !== null)) {
      const onError = argument('onError', environment);
      if (onError !== undefined) return onError;
      const reason =
        parsed === null
          ? 'no such date in this form'
          : 'time zone information together with a timezone argument';
      throw new MongoServerError(
        'ConversionFailure',
        `Error parsing date string '${String(value)}'; ${reason}`,
      );
    }
    const local = asIfUtc(parsed);
    if (timezone === null) return east(local, parsed.offset ?? 0);
    // the offset at the instant that has this local time; a first guess may lie on the other side of a change
    return east(local, offsetAt(east(local, offsetAt(local, timezone)), timezone));
  };
};

export const dateTextOperators: Readonly<Record<string, OperatorCompiler>> = {
  $dateFromString: dateFromString,
  $dateToString: dateToString,
};
