import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatMicros, parseMicros } from '../../../src/domain/money/micros.ts';

const anyAmount = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('reading decimals', () => {
  test.each([
    ['0', 0],
    ['0.0609', 60_900],
    ['6.4', 6_400_000],
    ['6.40', 6_400_000],
    ['0.000001', 1],
    ['.5', 500_000],
    ['5.', 5_000_000],
    ['+1', 1_000_000],
    ['007', 7_000_000],
    ['0.1000000', 100_000],
    ['0.10000000000000000', 100_000],
    ['9007199254.740991', Number.MAX_SAFE_INTEGER],
  ])('%j is %d millionths', (text, micros) => {
    expect(parseMicros(text)).toBe(micros);
  });

  test.each([
    '',
    ' ',
    '.',
    '+',
    '+.',
    '-0',
    '-1',
    '-0.5',
    '−1',
    '0.0000001',
    '1.1234567',
    '1e3',
    '1E-3',
    '1e-7',
    '0x10',
    '0b1',
    'Infinity',
    '-Infinity',
    'NaN',
    ' 1',
    '1 ',
    '1 0',
    '1\n',
    '1,5',
    '1.000,5',
    '1,000.5',
    '1_000',
    '1.2.3',
    '++1',
    '$1',
    '１',
    '١',
    '9007199254.740992',
    '9999999999.999999',
    '99999999999999999999',
    `1${'0'.repeat(400)}`,
  ])('%j is refused', (text) => {
    expect(parseMicros(text)).toBeUndefined();
  });

  test('a long hostile text is refused, and does not keep the pattern busy', () => {
    expect(parseMicros(`0.${'0'.repeat(60_000)}x`)).toBeUndefined();
    expect(parseMicros(`${'1'.repeat(60_000)}x`)).toBeUndefined();
  });
});

describe('printing decimals', () => {
  test('the digits are the exact ones', () => {
    expect(formatMicros(163_045_000n)).toBe('163.045');
    expect(formatMicros(0)).toBe('0');
    expect(formatMicros(-1n)).toBe('-0.000001');
    expect(formatMicros(-6_400_000)).toBe('-6.4');
    expect(formatMicros(10n ** 30n + 1n)).toBe('1000000000000000000000000.000001');
  });

  test('at least the decimals that are asked for are printed', () => {
    expect(formatMicros(6_400_000, 2)).toBe('6.40');
    expect(formatMicros(0, 4)).toBe('0.0000');
    expect(formatMicros(60_900, 2)).toBe('0.0609');
  });

  test('what is printed reads back as the same amount', () => {
    fc.assert(
      fc.property(anyAmount, fc.integer({ min: 0, max: 6 }), (micros, decimals) => {
        expect(parseMicros(formatMicros(micros, decimals))).toBe(micros);
      }),
    );
  });

  test('numbers and bigints print alike', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: 0, max: 6 }), (micros, decimals) => {
        expect(formatMicros(micros, decimals)).toBe(formatMicros(BigInt(micros), decimals));
      }),
    );
  });

  test('what the clients send prints back as the same decimal', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9_007_199_253 }),
        fc.integer({ min: 0, max: 9_999 }),
        (whole, fraction) => {
          const text = `${whole}.${fraction.toString().padStart(4, '0')}`;
          expect(formatMicros(parseMicros(text) ?? -1, 4)).toBe(text);
        },
      ),
    );
  });
});

test('0.1 + 0.2 is 0.3', () => {
  expect(formatMicros((parseMicros('0.1') ?? 0) + (parseMicros('0.2') ?? 0))).toBe('0.3');
});
