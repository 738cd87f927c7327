import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusinessCalendar } from '../../../src/domain/time/businessCalendar.ts';
import { parseDay, parseTimestamp } from '../../../src/domain/time/parseWallClock.ts';

const hanoi = new BusinessCalendar('Asia/Ho_Chi_Minh');
const berlin = new BusinessCalendar('Europe/Berlin');

describe('timestamps', () => {
  test.each([
    ['2026-01-05 09:30:00', '2026-01-05T02:30:00Z'],
    ['2026-01-05T09:30:00', '2026-01-05T02:30:00Z'],
    ['2026-01-05T09:30:00.123456', '2026-01-05T02:30:00Z'],
    ['2026-01-05 09:30:00.999999999', '2026-01-05T02:30:00Z'],
    ['2026-01-05T09:30:00.5Z', '2026-01-05T09:30:00Z'],
    ['2026-01-05T09:30:00Z', '2026-01-05T09:30:00Z'],
    ['2026-01-05T09:30:00+07:00', '2026-01-05T02:30:00Z'],
    ['2026-01-05T09:30:00.123456+05:30', '2026-01-05T04:00:00Z'],
    ['2026-01-05 09:30:00-03:30', '2026-01-05T13:00:00Z'],
    ['2026-01-05T09:30:00-0800', '2026-01-05T17:30:00Z'],
    ['2026-01-05T09:30:00-00:30', '2026-01-05T10:00:00Z'],
    ['2026-01-05T00:00:00+14:00', '2026-01-04T10:00:00Z'],
    ['2024-02-29 00:00:00', '2024-02-28T17:00:00Z'],
    ['2000-02-29 23:59:59', '2000-02-29T16:59:59Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'],
  ])('%j is %s', (text, instant) => {
    expect(parseTimestamp(text, hanoi)).toBe(Date.parse(instant));
  });

  test.each([
    '',
    'now',
    '2026-01-05',
    '2026-01-05 09:30',
    '2026-1-5 9:30:00',
    '26-01-05 09:30:00',
    '05/01/2026 09:30:00',
    '2026/01/05 09:30:00',
    '2026-01-05  09:30:00',
    '2026-01-05_09:30:00',
    ' 2026-01-05 09:30:00',
    '2026-01-05 09:30:00\n',
    '2026-01-05 09:30:00 ',
    '2026-01-05 09:30:00 Z',
    '2026-01-05 09:30:00,5',
    '2026-01-05 09:30:00.',
    '2026-01-05 09:30:00.1234567890',
    '2026-01-05 24:00:00',
    '2026-01-05 23:60:00',
    '2026-01-05 23:59:60',
    '2026-01-05 -1:00:00',
    '2026-00-05 09:30:00',
    '2026-13-05 09:30:00',
    '2026-01-00 09:30:00',
    '2026-01-32 09:30:00',
    '2026-04-31 09:30:00',
    '2026-02-29 09:30:00',
    '2024-02-30 09:30:00',
    '1900-02-29 09:30:00',
    '0000-00-00 00:00:00',
    '0026-01-05 09:30:00',
    '12026-01-05 09:30:00',
    '2026-01-05T09:30:00+19:00',
    '2026-01-05T09:30:00+07:60',
    '2026-01-05T09:30:00+7',
    '2026-01-05T09:30:00+07',
    '2026-01-05T09:30:00ZZ',
    '2026-01-05T09:30:00+07:00Z',
    '1767605400',
    '2026-01-05T09:30:00[Asia/Ho_Chi_Minh]',
    '２０２６-01-05 09:30:00',
    "2026-01-05 09:30:00' OR 1=1",
  ])('%j is refused', (text) => {
    expect(parseTimestamp(text, hanoi)).toBeUndefined();
  });

  test.each(['9999-12-31T23:59:59-12:00', '0100-01-01T00:00:00+14:00'])(
    '%j is refused: its year has no four digits, or none that a date keeps',
    (text) => {
      expect(parseTimestamp(text, hanoi)).toBeUndefined();
    },
  );

  test('a wall clock without an offset is read in the business zone, in summer as in winter', () => {
    expect(parseTimestamp('2026-07-01 12:00:00', berlin)).toBe(Date.parse('2026-07-01T10:00:00Z'));
    expect(parseTimestamp('2026-01-01 12:00:00', berlin)).toBe(Date.parse('2026-01-01T11:00:00Z'));
  });

  test('the two spellings that one client sends of a moment are the same moment', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / 1_000 }),
        fc.integer({ min: 0, max: 999_999 }),
        (seconds, micros) => {
          const text = hanoi.wallClockText(seconds * 1_000);
          const iso = `${text.replace(' ', 'T')}.${micros.toString().padStart(6, '0')}`;
          expect(parseTimestamp(text, hanoi)).toBe(seconds * 1_000);
          expect(parseTimestamp(iso, hanoi)).toBe(seconds * 1_000);
        },
      ),
    );
  });

  test('with an offset the business zone does not matter, and Date agrees', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / 1_000 }),
        fc.integer({ min: -14, max: 14 }),
        fc.constantFrom(0, 15, 30, 45),
        (seconds, hours, minutes) => {
          const offset = `${hours < 0 ? '-' : '+'}${two(Math.abs(hours))}:${two(minutes)}`;
          const text = `${new Date(seconds * 1_000).toISOString().slice(0, 19)}${offset}`;
          expect(parseTimestamp(text, hanoi)).toBe(Date.parse(text));
          expect(parseTimestamp(text, berlin)).toBe(Date.parse(text));
        },
      ),
    );
  });

  test('no text whatever throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseTimestamp(text, hanoi) ?? 0).toSatisfy(Number.isSafeInteger);
      }),
    );
  });
});

describe('days', () => {
  test('a day starts at midnight of the business zone', () => {
    expect(parseDay('2026-01-05', hanoi)).toBe(Date.parse('2026-01-04T17:00:00Z'));
    expect(parseDay('2024-02-29', berlin)).toBe(Date.parse('2024-02-28T23:00:00Z'));
    expect(parseDay('9999-12-31', hanoi)).toBe(Date.parse('9999-12-30T17:00:00Z'));
  });

  test.each([
    '',
    '2026-02-29',
    '2026-1-5',
    '2026-01-05 00:00:00',
    '20260105',
    '2026-13-01',
    '2026-01-05\n',
    'x',
  ])('%j is refused', (text) => {
    expect(parseDay(text, hanoi)).toBeUndefined();
  });
});

function two(value: number): string {
  return value.toString().padStart(2, '0');
}
