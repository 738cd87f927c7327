import type { BusinessCalendar } from '../time/businessCalendar.ts';
import { parseDay } from '../time/parseWallClock.ts';

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

/** The days that a question asks for. `first` and `end` are instants, `end` is the first one behind the last day. */
export interface StatsPeriod {
  readonly filter: {
    readonly period: NamedPeriod | 'custom';
    readonly date_from: string | null;
    readonly date_to: string | null;
    readonly description: string;
  };
  /** Nothing for all time. */
  readonly range?: { readonly first: number; readonly end: number };
}

export interface RefusedPeriod {
  readonly refused: string;
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
): StatsPeriod | RefusedPeriod {
  if (query.date_from && query.date_to) return customPeriod(query.date_from, query.date_to, calendar);
  const period = query.period || 'all_time';
  return isNamedPeriod(period) ? namedPeriod(period, now, calendar) : { refused: 'Invalid period' };
}

function isNamedPeriod(text: string): text is NamedPeriod {
  return NAMED_PERIODS.some((period) => period === text);
}

function customPeriod(from: string, to: string, calendar: BusinessCalendar): StatsPeriod | RefusedPeriod {
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
  // Weeks run from Sunday to Saturday: week mode 0 of the MySQL that the contract's first server used.
  const sunday = calendar.addDays(now, -calendar.weekday(now));
  const days = (label: string, first: number, end: number): StatsPeriod => {
    const from = calendar.dayText(first);
    const to = calendar.dayText(calendar.addDays(end, -1));
    return describe(`${label} (${from} to ${to})`, first, end);
  };
  const describe = (description: string, first: number, end: number): StatsPeriod => ({
    filter: {
      period,
      date_from: calendar.dayText(first),
      date_to: calendar.dayText(calendar.addDays(end, -1)),
      description,
    },
    range: { first, end },
  });
  const day = (label: string, first: number) =>
    describe(`${label} (${calendar.dayText(first)})`, first, calendar.addDays(first, 1));
  const month = (label: string, first: number) =>
    describe(`${label} (${calendar.monthText(first)})`, first, calendar.addMonths(first, 1));
  switch (period) {
    case 'today':
      return day('Today', calendar.addDays(now, 0));
    case 'yesterday':
      return day('Yesterday', calendar.addDays(now, -1));
    case 'this_week':
      return days('This Week', sunday, calendar.addDays(sunday, 7));
    case 'last_week':
      return days('Last Week', calendar.addDays(sunday, -7), sunday);
    case 'this_month':
      return month('This Month', calendar.addMonths(now, 0));
    case 'last_month':
      return month('Last Month', calendar.addMonths(now, -1));
    case 'all_time':
      return { filter: { period, date_from: null, date_to: null, description: 'All Time' } };
  }
}
