import { expect, test } from 'vitest';
import { readRetryAfter } from '../../src/platforms/retryAfter.ts';

const HOUR = 3_600_000;
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toUTCString();

test.each([
  ['0', 0],
  ['7', 7_000],
  [' 7 ', 7_000],
  ['1.5', 1_500],
  ['86400', HOUR],
  ['9'.repeat(400), HOUR],
  [inSeconds(-60), 0],
  [inSeconds(86_400), HOUR],
])('%o is a time to wait', (header, milliseconds) => {
  expect(readRetryAfter(header, HOUR)).toBe(milliseconds);
});

test('a date is one as in HTTP', () => {
  expect(readRetryAfter(inSeconds(60), HOUR)).toBeCloseTo(60_000, -4);
});

/** Most of them are dates to `Date.parse`, and long ago. */
test.each([
  null,
  undefined,
  '',
  '-5',
  '+3',
  '5, 5',
  '1.5.1',
  '.5',
  '5.',
  '1e3',
  '0x10',
  '5 s',
  'soon',
  'Invalid Date',
  '2001-01-01',
  '2001-01-01T00:00:00Z',
  'Nov 6, 2094',
  'Sat, 6 Nov 2094 08:49:37 GMT',
  'Sat, 06 Nov 2094 08:49:37 +0100',
  'Sat, 06 Nov 2094 25:49:37 GMT',
  'Mon, 30 Feb 2094 08:49:37 GMT',
])('%o says nothing', (header) => {
  expect(readRetryAfter(header, HOUR)).toBeUndefined();
});
