import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusinessCalendar, type WallClock } from '../../../src/domain/time/businessCalendar.ts';
import { WallClockReader } from './wallClockReader.ts';

const ZONES = [
  'UTC',
  'Asia/Ho_Chi_Minh',
  'Asia/Kolkata',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Pacific/Apia',
];
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Any second from 1970 to 2100, and more often one close to a change of New York's, Berlin's or Lord Howe's clocks. */
const anyInstant = fc
  .oneof(
    fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / SECOND }),
    fc
      .tuple(
        fc.constantFrom(
          Date.UTC(2026, 2, 29, 1),
          Date.UTC(2026, 9, 25, 1),
          Date.UTC(2026, 2, 8, 7),
          Date.UTC(2026, 10, 1, 6),
          Date.UTC(2026, 3, 4, 15),
          Date.UTC(2026, 9, 3, 15, 30),
          Date.UTC(2018, 10, 4, 3),
          Date.UTC(2011, 11, 30, 10),
        ),
        fc.integer({ min: -DAY, max: DAY }),
      )
      .map(([change, distance]) => Math.floor((change + distance) / SECOND)),
  )
  .map((seconds) => seconds * SECOND);

describe.each(ZONES)('%s', (zone) => {
  const calendar = new BusinessCalendar(zone);
  const reader = new WallClockReader(zone);

  test('wall-clock text is what Intl reads off the clock', () => {
    fc.assert(
      fc.property(anyInstant, (instant) => {
        expect(calendar.wallClockText(instant)).toBe(reader.text(instant));
        expect(calendar.dayText(instant)).toBe(reader.text(instant).slice(0, 10));
        expect(calendar.weekday(instant)).toBe(reader.weekday(instant));
        expect(calendar.monthText(instant)).toBe(reader.monthName(instant));
      }),
    );
  });

  test('a wall clock names an instant that reads as that wall clock, the first one when there are two', () => {
    fc.assert(
      fc.property(anyInstant, (instant) => {
        const named = calendar.instantOf(reader.wallClock(instant));
        expect(calendar.wallClockText(named)).toBe(reader.text(instant));
        expect(named).toBeLessThanOrEqual(instant);
      }),
    );
  });

  test.each(['hour', 'day', 'month'] as const)(
    'the start of the %s has the same hour, day or month and nothing of it before',
    (unit) => {
      const length = { hour: 13, day: 10, month: 7 }[unit];
      fc.assert(
        fc.property(anyInstant, (instant) => {
          const start = calendar.startOf(unit, instant);
          expect(start).toBeLessThanOrEqual(instant);
          expect(reader.text(start).slice(0, length)).toBe(reader.text(instant).slice(0, length));
          expect(calendar.startOf(unit, start)).toBe(start);
          const before = reader.text(start - SECOND);
          const clocksWentBack = before >= reader.text(start);
          if (!clocksWentBack) expect(before.slice(0, length)).not.toBe(reader.text(start).slice(0, length));
        }),
      );
    },
  );

  test('an hour lies in the day that holds it, and a day in its month', () => {
    fc.assert(
      fc.property(anyInstant, (instant) => {
        const hour = calendar.startOf('hour', instant);
        expect(calendar.startOf('day', hour)).toBe(calendar.startOf('day', instant));
        const day = calendar.startOf('day', instant);
        expect(calendar.startOf('month', day)).toBe(calendar.startOf('month', instant));
      }),
    );
  });

  test('an hour bucket is never longer than an hour', () => {
    fc.assert(
      fc.property(anyInstant, (instant) => {
        expect(instant - calendar.startOf('hour', instant)).toBeLessThan(HOUR);
      }),
    );
  });

  test('days and months are counted on the calendar, whatever the clocks do', () => {
    fc.assert(
      fc.property(anyInstant, fc.integer({ min: -800, max: 800 }), (instant, distance) => {
        const date = reader.wallClock(instant);
        const day = new Date(Date.UTC(date.year, date.month - 1, date.day + distance));
        const month = new Date(Date.UTC(date.year, date.month - 1 + distance, 1));
        // Samoa skipped 30 December 2011 altogether.
        fc.pre(day.toISOString().slice(0, 10) !== '2011-12-30');
        expect(calendar.dayText(calendar.addDays(instant, distance))).toBe(day.toISOString().slice(0, 10));
        expect(calendar.dayText(calendar.addMonths(instant, distance))).toBe(
          month.toISOString().slice(0, 10),
        );
        expect(calendar.addDays(instant, 0)).toBe(calendar.startOf('day', instant));
        expect(calendar.addMonths(instant, 0)).toBe(calendar.startOf('month', instant));
      }),
    );
  });
});

describe('the changes of the clocks', () => {
  test.each([
    ['Europe/Berlin', '2026-03-29 02:30:00', '2026-03-29T01:30:00Z', '2026-03-29 03:30:00'],
    ['America/New_York', '2026-03-08 02:30:00', '2026-03-08T07:30:00Z', '2026-03-08 03:30:00'],
    ['Australia/Lord_Howe', '2026-10-04 02:15:00', '2026-10-03T15:45:00Z', '2026-10-04 02:45:00'],
    ['America/Sao_Paulo', '2018-11-04 00:30:00', '2018-11-04T03:30:00Z', '2018-11-04 01:30:00'],
  ])('%s: %s is skipped and counts from before the change', (zone, skipped, instant, reads) => {
    const calendar = new BusinessCalendar(zone);
    const named = calendar.instantOf(wallClockOf(skipped));
    expect(named).toBe(Date.parse(instant));
    expect(calendar.wallClockText(named)).toBe(reads);
  });

  test.each([
    ['Europe/Berlin', '2026-10-25 02:30:00', '2026-10-25T00:30:00Z', HOUR],
    ['America/New_York', '2026-11-01 01:30:00', '2026-11-01T05:30:00Z', HOUR],
    ['Australia/Lord_Howe', '2026-04-05 01:45:00', '2026-04-04T14:45:00Z', HOUR / 2],
  ])('%s: %s comes twice and means the first', (zone, doubled, instant, later) => {
    const calendar = new BusinessCalendar(zone);
    expect(calendar.instantOf(wallClockOf(doubled))).toBe(Date.parse(instant));
    expect(calendar.wallClockText(Date.parse(instant) + later)).toBe(doubled);
    expect(calendar.startOf('hour', Date.parse(instant))).not.toBe(
      calendar.startOf('hour', Date.parse(instant) + later),
    );
  });

  test.each([
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['America/New_York', '2026-03-08', 23],
    ['America/New_York', '2026-11-01', 25],
    ['Australia/Lord_Howe', '2026-10-04', 23.5],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    ['Asia/Ho_Chi_Minh', '2026-03-29', 24],
  ])('%s: %s has %d hours', (zone, day, hours) => {
    const calendar = new BusinessCalendar(zone);
    const start = calendar.instantOf(wallClockOf(`${day} 00:00:00`));
    expect(calendar.addDays(start, 1) - start).toBe(hours * HOUR);
  });

  test('a day whose midnight is skipped starts when the clocks change', () => {
    const calendar = new BusinessCalendar('America/Sao_Paulo');
    const noon = Date.parse('2018-11-04T14:00:00Z');
    expect(calendar.startOf('day', noon)).toBe(Date.parse('2018-11-04T03:00:00Z'));
    expect(calendar.wallClockText(calendar.startOf('day', noon))).toBe('2018-11-04 01:00:00');
  });

  test('every hour bucket of a day with a change of half an hour starts inside the day, in order', () => {
    const calendar = new BusinessCalendar('Australia/Lord_Howe');
    for (const day of [Date.parse('2026-10-03T13:30:00Z'), Date.parse('2026-04-04T13:00:00Z')]) {
      const end = calendar.addDays(day, 1);
      const starts = new Set<number>();
      for (let instant = day; instant < end; instant += MINUTE) starts.add(calendar.startOf('hour', instant));
      const inOrder = [...starts];
      expect(inOrder).toEqual(inOrder.toSorted((left, right) => left - right));
      expect(inOrder[0]).toBe(day);
    }
  });
});

test('instants before the time zones were standardised are whole milliseconds and read back', () => {
  for (const zone of ['Asia/Ho_Chi_Minh', 'Asia/Kolkata', 'Europe/Berlin', 'America/New_York']) {
    const calendar = new BusinessCalendar(zone);
    for (const text of ['1850-06-01 12:34:56', '0100-01-02 00:00:00', '1899-12-31 23:59:59']) {
      const instant = calendar.instantOf(wallClockOf(text));
      expect(instant).toBe(Math.trunc(instant));
      expect(calendar.wallClockText(instant)).toBe(text);
    }
  }
});

function wallClockOf(text: string): WallClock {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = text.split(/[- :]/).map(Number);
  return { year, month, day, hour, minute, second };
}
