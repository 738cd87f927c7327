import {
  Decimal128,
  Double,
  ObjectId,
  deserialize as referenceDeserialize,
  serialize as referenceSerialize,
} from 'bson';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sum } from '../src/aggregation/accumulators.ts';
import { compareValues } from '../src/bson/compare.ts';
import { addDecimals, decodeDecimal, encodeDecimal, multiplyDecimals } from '../src/bson/decimal.ts';
import { deserialize } from '../src/bson/deserialize.ts';
import { invertKey, keyString } from '../src/bson/keyString.ts';
import { addNumbers } from '../src/bson/numbers.ts';
import { serialize } from '../src/bson/serialize.ts';
import { doubleValue, type Value } from '../src/bson/values.ts';

const decimalText = fc
  .tuple(fc.bigInt({ min: -(10n ** 33n), max: 10n ** 33n }), fc.integer({ min: -40, max: 40 }))
  .map(([coefficient, exponent]) => `${coefficient}E${exponent}`);

const numbers: fc.Arbitrary<Value> = fc.oneof(
  fc.integer(),
  fc.double().map(doubleValue),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  // neighbours of 2^53 and 2^63 share a double
  fc.integer({ min: -2000, max: 2000 }).map((offset) => 2n ** 53n + BigInt(offset)),
  fc.integer({ min: 1, max: 2000 }).map((offset) => 2n ** 63n - BigInt(offset)),
  decimalText.map((text) => Decimal128.fromString(text)),
  fc.constantFrom(
    Decimal128.fromString('NaN'),
    Decimal128.fromString('Infinity'),
    Decimal128.fromString('9007199254740993.5'),
  ),
);

const scalars: fc.Arbitrary<Value> = fc.oneof(
  numbers,
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\0', '\0\0', 'a\0', 'a', '\uffff', '\u{10000}', '\ue000'),
  fc.boolean(),
  fc.constant(null),
  fc.date({ noInvalidDate: true }),
  fc.integer({ min: 0 }).map((seconds) => ObjectId.createFromTime(seconds % 2 ** 31)),
);

const { value: values } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalars,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => !name.includes('\0')),
      tie('value'),
      { maxKeys: 3 },
    ),
  ),
}));

describe('keyString', () => {
  it('orders like BSON comparison, also inverted and for numbers that share a double', () => {
    fc.assert(
      fc.property(values, values, (left, right) => {
        const wanted = Math.sign(compareValues(left, right));
        const [a, b] = [keyString(left), keyString(right)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(wanted);
        expect(invertKey(a) < invertKey(b) ? 1 : invertKey(a) > invertKey(b) ? -1 : 0).toBe(wanted);
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps the order of numbers', () => {
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const [a, b] = [keyString(left), keyString(right)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(Math.sign(compareValues(left, right)));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('BSON', () => {
  it('is read and written as the reference library does', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = Buffer.from(referenceSerialize({ value }, { ignoreUndefined: true }));
        expect(serialize(deserialize(bytes)).equals(bytes)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps int32, int64 and double apart', () => {
    const bytes = serialize({ int: 5, double: new Double(5), negativeZero: -0, long: 5n });
    const reference = referenceDeserialize(bytes, { promoteValues: false });
    expect(Object.values(reference).map(({ _bsontype }) => _bsontype)).toEqual([
      'Int32',
      'Double',
      'Double',
      'Long',
    ]);
    expect(serialize(deserialize(bytes)).equals(bytes)).toBe(true);
  });

  it.each([
    [Buffer.from([5, 0, 0, 0])],
    [Buffer.from([6, 0, 0, 0, 2, 0])],
    [Buffer.from([12, 0, 0, 0, 2, 97, 0, 99, 0, 0, 0, 0])],
  ])('refuses malformed bytes %#', (bytes) => {
    expect(() => deserialize(bytes)).toThrow('not a valid BSON document');
  });
});

describe('decimal128', () => {
  it.each([
    ['0.1', '0.2', '0.3'],
    ['1.10', '0.05', '1.15'],
    ['9999999999999999999999999999999999', '1', '1.000000000000000000000000000000000E+34'],
    ['1E+40', '1', '1.000000000000000000000000000000000E+40'],
    ['-1.5', '1.5', '0.0'],
    ['Infinity', '-Infinity', 'NaN'],
  ])('%s + %s = %s', (left, right, sum) => {
    const [a, b] = [left, right].map((text) => decodeDecimal(Decimal128.fromString(text)));
    if (a === undefined || b === undefined) throw new Error('no operands');
    expect(encodeDecimal(addDecimals(a, b)).toString()).toBe(sum);
  });

  it('decodes and encodes without a change, and multiplies exactly', () => {
    fc.assert(
      fc.property(decimalText, (text) => {
        const value = Decimal128.fromString(text);
        expect(Buffer.from(encodeDecimal(decodeDecimal(value)).bytes)).toEqual(Buffer.from(value.bytes));
      }),
    );
    const product = multiplyDecimals(
      decodeDecimal(Decimal128.fromString('12345678901234567')),
      decodeDecimal(Decimal128.fromString('0.01')),
    );
    expect(encodeDecimal(product).toString()).toBe('123456789012345.67');
  });
});

describe('integers', () => {
  it('never pass through a float', () => {
    const sum = new Sum();
    for (const value of [2n ** 62n, 1n, 5, 2n ** 62n - 10n]) sum.add(value);
    expect(sum.result()).toBe(2n ** 63n - 4n);
    expect(addNumbers(9007199254740993n, 1)).toBe(9007199254740994n);
    expect(addNumbers(2147483647, 1)).toBe(2147483648n);
    expect(addNumbers(2n ** 63n - 1n, 1n)).toBeUndefined();
  });
});
