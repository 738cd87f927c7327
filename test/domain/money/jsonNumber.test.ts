import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countNumber, moneyNumber } from '../../../src/domain/money/jsonNumber.ts';

test('money stands in JSON as a number with its exact digits', () => {
  expect(JSON.stringify({ cost: moneyNumber(163_045_000n) })).toBe('{"cost":163.045}');
  expect(JSON.stringify([moneyNumber(0), moneyNumber(-60_900)])).toBe('[0,-0.0609]');
});

test('digits beyond the precision of a float are kept', () => {
  expect(JSON.stringify(moneyNumber(9_007_199_254_740_993_000_001n))).toBe('9007199254740993.000001');
  expect(JSON.stringify(countNumber(2n ** 64n))).toBe('18446744073709551616');
});

test('a client that reads floats gets the nearest one', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (micros) => {
      expect(JSON.parse(JSON.stringify(moneyNumber(micros)))).toBe(micros / 1_000_000);
    }),
  );
});

test('every count is a number as JSON knows it', () => {
  fc.assert(
    fc.property(fc.bigInt(), (count) => {
      expect(JSON.stringify(countNumber(count))).toBe(count.toString());
    }),
  );
});
