import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusinessCalendar } from '../../../src/domain/time/businessCalendar.ts';
import { choosePeriod, NAMED_PERIODS, type StatsPeriod } from '../../../src/domain/usage/period.ts';

const hanoi = new BusinessCalendar('Asia/Ho_Chi_Minh');
const newYork = new BusinessCalendar('America/New_York');

describe('named periods', () => {
  test.each([
    // Monday
    ['today', '2026-01-05 10:13:00', '2026-01-05', '2026-01-05', 'Today (2026-01-05)'],
    ['yesterday', '2026-01-05 10:13:00', '2026-01-04', '2026-01-04', 'Yesterday (2026-01-04)'],
    ['this_week', '2026-01-05 10:13:00', '2026-01-04', '2026-01-10', 'This Week (2026-01-04 to 2026-01-10)'],
    ['last_week', '2026-01-05 10:13:00', '2025-12-28', '2026-01-03', 'Last Week (2025-12-28 to 2026-01-03)'],
    ['this_month', '2026-01-05 10:13:00', '2026-01-01', '2026-01-31', 'This Month (January 2026)'],
    ['last_month', '2026-01-05 10:13:00', '2025-12-01', '2025-12-31', 'Last Month (December 2025)'],
    // New Year on a Thursday
    ['yesterday', '2026-01-01 00:00:00', '2025-12-31', '2025-12-31', 'Yesterday (2025-12-31)'],
    ['this_week', '2026-01-01 00:00:00', '2025-12-28', '2026-01-03', 'This Week (2025-12-28 to 2026-01-03)'],
    ['last_week', '2026-01-01 00:00:00', '2025-12-21', '2025-12-27', 'Last Week (2025-12-21 to 2025-12-27)'],
    ['this_week', '2025-12-31 23:59:59', '2025-12-28', '2026-01-03', 'This Week (2025-12-28 to 2026-01-03)'],
    // A Sunday begins a week, a Saturday ends it
    ['this_week', '2026-03-01 00:00:00', '2026-03-01', '2026-03-07', 'This Week (2026-03-01 to 2026-03-07)'],
    ['this_week', '2026-03-07 23:59:59', '2026-03-01', '2026-03-07', 'This Week (2026-03-01 to 2026-03-07)'],
    ['last_week', '2026-03-01 00:00:00', '2026-02-22', '2026-02-28', 'Last Week (2026-02-22 to 2026-02-28)'],
    // Leap years
    ['today', '2024-02-29 12:00:00', '2024-02-29', '2024-02-29', 'Today (2024-02-29)'],
    ['yesterday', '2024-03-01 00:00:01', '2024-02-29', '2024-02-29', 'Yesterday (2024-02-29)'],
    ['this_month', '2024-02-29 12:00:00', '2024-02-01', '2024-02-29', 'This Month (February 2024)'],
    ['last_month', '2024-03-31 12:00:00', '2024-02-01', '2024-02-29', 'Last Month (February 2024)'],
    ['last_month', '2026-03-31 12:00:00', '2026-02-01', '2026-02-28', 'Last Month (February 2026)'],
  ])('%s at %s', (period, now, from, to, description) => {
    const chosen = choose({ period }, now);
    expect(chosen.filter).toEqual({ period, date_from: from, date_to: to, description });
    expect(chosen.range).toEqual({ first: at(`${from} 00:00:00`), end: at(`${to} 23:59:59`) + 1_000 });
  });

  test('all time has no dates and no bounds, and is what nothing asks for', () => {
    const allTime = {
      filter: { period: 'all_time', date_from: null, date_to: null, description: 'All Time' },
    };
    expect(choose({ period: 'all_time' }, '2026-01-05 10:13:00')).toEqual(allTime);
    expect(choose({}, '2026-01-05 10:13:00')).toEqual(allTime);
    expect(choose({ period: '' }, '2026-01-05 10:13:00')).toEqual(allTime);
  });

  test('the day is the one of the business zone', () => {
    const now = Date.parse('2026-01-04T18:00:00Z');
    expect(choosePeriod({ period: 'today' }, now, hanoi)).toMatchObject({
      filter: { date_from: '2026-01-05' },
    });
    expect(choosePeriod({ period: 'today' }, now, newYork)).toMatchObject({
      filter: { date_from: '2026-01-04' },
    });
  });

  test.each(['last_7_days', 'TODAY', 'toString', '__proto__', 'custom', ' today'])(
    '%j is refused',
    (period) => {
      expect(choosePeriod({ period }, at('2026-01-05 10:13:00'), hanoi)).toEqual({
        refused: 'Invalid period',
      });
    },
  );

  test('weeks have seven days from a Sunday, follow each other and hold the moment', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }), (now) => {
        const thisWeek = rangeOf(choosePeriod({ period: 'this_week' }, now, newYork));
        const lastWeek = rangeOf(choosePeriod({ period: 'last_week' }, now, newYork));
        expect(thisWeek.first).toBeLessThanOrEqual(now);
        expect(thisWeek.end).toBeGreaterThan(now);
        expect(lastWeek.end).toBe(thisWeek.first);
        for (const week of [thisWeek, lastWeek]) {
          expect(newYork.weekday(week.first)).toBe(0);
          expect(newYork.wallClockText(week.first).slice(11)).toBe('00:00:00');
          expect(newYork.addDays(week.first, 7)).toBe(week.end);
        }
      }),
    );
  });

  test('every named period but all time is days without a gap, and its texts are its bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }),
        fc.constantFrom(...NAMED_PERIODS.filter((period) => period !== 'all_time')),
        (now, period) => {
          const chosen = choosePeriod({ period }, now, newYork);
          const { first, end } = rangeOf(chosen);
          expect(chosen).toMatchObject({
            filter: { date_from: newYork.dayText(first), date_to: newYork.dayText(end - 1) },
          });
        },
      ),
    );
  });
});

describe('ranges', () => {
  test('both ends belong to the range, with the whole of the last day', () => {
    const chosen = choose({ date_from: '2026-01-01', date_to: '2026-01-05' }, '2026-06-01 00:00:00');
    expect(chosen).toEqual({
      filter: {
        period: 'custom',
        date_from: '2026-01-01',
        date_to: '2026-01-05',
        description: 'Custom Range (2026-01-01 to 2026-01-05)',
      },
      range: { first: at('2026-01-01 00:00:00'), end: at('2026-01-06 00:00:00') },
    });
  });

  test('a range of one day is that day, with as many hours as it has', () => {
    const spring = choosePeriod({ date_from: '2026-03-08', date_to: '2026-03-08' }, 0, newYork);
    const { first, end } = rangeOf(spring);
    expect(end - first).toBe(23 * 3_600_000);
  });

  test('a complete range goes before the period, whatever that says', () => {
    expect(
      choose({ date_from: '2026-01-01', date_to: '2026-01-02', period: 'nonsense' }, '2026-06-01 00:00:00')
        .filter.period,
    ).toBe('custom');
  });

  test.each([
    { date_from: '2026-01-01' },
    { date_to: '2026-01-01' },
    { date_from: '2026-01-01', date_to: '' },
    { date_from: '', date_to: 'garbage' },
    { date_from: 'garbage' },
  ])('one date alone is ignored: %j', (query) => {
    expect(choose({ ...query, period: 'today' }, '2026-01-05 10:13:00').filter.period).toBe('today');
    expect(choose(query, '2026-01-05 10:13:00').filter.period).toBe('all_time');
  });

  test('a range that ends before it starts is refused in the words of the contract', () => {
    expect(choosePeriod({ date_from: '2026-01-02', date_to: '2026-01-01' }, 0, hanoi)).toEqual({
      refused: 'Invalid date range: date_from must be before date_to',
    });
  });

  test.each([
    ['2026-02-30', '2026-03-01'],
    ['2026-01-01', '2026-13-01'],
    ['2026-1-1', '2026-01-02'],
    ['01/01/2026', '2026-01-02'],
    ['2026-01-01 00:00:00', '2026-01-02'],
    ['2026-01-03', 'yesterday'],
  ])('%j to %j is refused', (from, to) => {
    expect(choosePeriod({ date_from: from, date_to: to }, 0, hanoi)).toEqual({
      refused: 'Invalid date format: use YYYY-MM-DD',
    });
  });
});

function choose(query: Parameters<typeof choosePeriod>[0], now: string): StatsPeriod {
  const chosen = choosePeriod(query, at(now), hanoi);
  if ('refused' in chosen) throw new Error(chosen.refused);
  return chosen;
}

function rangeOf(chosen: ReturnType<typeof choosePeriod>): { first: number; end: number } {
  if ('refused' in chosen || !chosen.range) throw new Error('The period has no range');
  return chosen.range;
}

/** Hanoi has no summer time. */
function at(wallClock: string): number {
  return Date.parse(`${wallClock.replace(' ', 'T')}+07:00`);
}
