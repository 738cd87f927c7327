import type { BusinessCalendar } from '../time/businessCalendar.ts';
import type { InstantRange } from '../time/instantRange.ts';
import { parseDay } from '../time/parseWallClock.ts';
import type { RefusedField } from './report.ts';

export const NAMED_PERIODS = [
  'today',
  'yesterday',
  'this_week',
  'last_week',
  'this_month',
  'last_month',
  'all_time',
] as const;
export type NamedPeriod = (typeof NAMED_PERIODS)[number];

/** The days that a question asks for. */
export interface StatsPeriod {
  readonly filter: {
    readonly period: NamedPeriod | 'custom';
    readonly date_from: string | null;
    readonly date_to: string | null;
    readonly description: string;
  };
  /** Nothing for all time. */
  readonly range?: InstantRange;
}

/**
 * Chooses the days, by the contract's precedence: a complete range, else the named period, else all time. One of the
 * two dates alone is ignored.
 *
 * @param now - milliseconds; what "today" means
 */
export function choosePeriod(
  query: { date_from?: string | undefined; date_to?: string | undefined; period?: string | undefined },
  now: number,
  calendar: BusinessCalendar,
): StatsPeriod | RefusedField {
  if (query.date_from && query.date_to) return customPeriod(query.date_from, query.date_to, calendar);
  const period = query.period || 'all_time';
  return isNamedPeriod(period) ? namedPeriod(period, now, calendar) : { refused: 'Invalid period' };
}

function isNamedPeriod(text: string): text is NamedPeriod {
  return NAMED_PERIODS.some((period) => period === text);
}

function customPeriod(from: string, to: string, calendar: BusinessCalendar): StatsPeriod | RefusedField {
  const first = parseDay(from, calendar);
  const last = parseDay(to, calendar);
  if (first === undefined || last === undefined) return { refused: 'Invalid date format: use YYYY-MM-DD' };
  if (first > last) return { refused: 'Invalid date range: date_from must be before date_to' };
  return {
    filter: {
      period: 'custom',
      date_from: from,
      date_to: to,
      description: `Custom Range (${from} to ${to})`,
    },
    range: { first, end: calendar.addDays(last, 1) },
  };
}

function namedPeriod(period: NamedPeriod, now: number, calendar: BusinessCalendar): StatsPeriod {
  if (period === 'all_time') {
    return { filter: { period, date_from: null, date_to: null, description: 'All Time' } };
  }
  const range = rangeOf(period, now, calendar);
  const from = calendar.dayText(range.first);
  const to = calendar.dayText(calendar.addDays(range.end, -1));
  const description = {
    today: `Today (${from})`,
    yesterday: `Yesterday (${from})`,
    this_week: `This Week (${from} to ${to})`,
    last_week: `Last Week (${from} to ${to})`,
    this_month: `This Month (${calendar.monthText(range.first)})`,
    last_month: `Last Month (${calendar.monthText(range.first)})`,
  }[period];
  return { filter: { period, date_from: from, date_to: to, description }, range };
}

function rangeOf(
  period: Exclude<NamedPeriod, 'all_time'>,
  now: number,
  calendar: BusinessCalendar,
): InstantRange {
  const today = calendar.startOf('day', now);
  // Weeks run from Sunday to Saturday: week mode 0 of the MySQL that the contract's first server used.
  const sunday = calendar.addDays(today, -calendar.weekday(today));
  const month = calendar.startOf('month', now);
  switch (period) {
    case 'today':
      return { first: today, end: calendar.addDays(today, 1) };
    case 'yesterday':
      return { first: calendar.addDays(today, -1), end: today };
    case 'this_week':
      return { first: sunday, end: calendar.addDays(sunday, 7) };
    case 'last_week':
      return { first: calendar.addDays(sunday, -7), end: sunday };
    case 'this_month':
      return { first: month, end: calendar.addMonths(month, 1) };
    case 'last_month':
      return { first: calendar.addMonths(month, -1), end: month };
  }
}
