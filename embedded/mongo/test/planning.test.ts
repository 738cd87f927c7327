import fc from 'fast-check';
import { Decimal128, type Document, type IndexDescription, Long, type Sort } from 'mongodb';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from './support/database.ts';

const test = useDatabase();

interface Row extends Document {
  _id: number;
}

const collection = (name: string) => test.database.collection<Row>(name);
const idsOf = (rows: readonly Row[]) => rows.map(({ _id }) => _id);

describe('conditions beside _id', () => {
  it.each<[Document, number[]]>([
    [{ _id: { $in: [1, 2, 3], $gt: 1 } }, [2, 3]],
    [{ _id: { $in: [1, 2, 3], $gte: 3 } }, [3]],
    [{ _id: { $in: [1, 2, 3], $nin: [1, 2] } }, [3]],
    [{ $and: [{ _id: 1 }, { _id: 2 }] }, []],
    [{ $and: [{ _id: 1 }, { x: 2 }] }, []],
    [{ $and: [{ _id: 1 }], x: 2 }, []],
    [{ _id: { $eq: 1, $in: [2] } }, []],
    [{ _id: 2 }, [2]],
    [{ _id: { $eq: 2 } }, [2]],
    [{ _id: { $in: [3, 2, 9] } }, [2, 3]],
  ])('are kept: %j', async (filter, ids) => {
    const rows = collection('beside');
    await rows.deleteMany({});
    await rows.insertMany([1, 2, 3].map((_id) => ({ _id, x: _id })));
    expect(idsOf(await rows.find(filter).sort({ _id: 1 }).toArray())).toEqual(ids);
    expect(await rows.countDocuments(filter)).toBe(ids.length);
    const split = Object.entries(filter).map(([name, condition]) => ({ $match: { [name]: condition } }));
    expect(await rows.aggregate(split).toArray()).toHaveLength(ids.length);
    expect((await rows.updateMany(filter, { $set: { changed: true } })).matchedCount).toBe(ids.length);
    expect((await rows.deleteMany(filter)).deletedCount).toBe(ids.length);
  });

  it('are checked: an unknown operator is refused, and two $match stages both count', async () => {
    const rows = collection('besideChecked');
    await rows.insertOne({ _id: 1, x: 1 });
    await expect(rows.find({ _id: { $in: [1], $bogus: 1 } }).toArray()).rejects.toMatchObject({ code: 2 });
    expect(await rows.aggregate([{ $match: { _id: 1 } }, { $match: { x: 99 } }]).toArray()).toEqual([]);
  });
});

describe('a descending index', () => {
  it.each<[string, unknown[], Document]>([
    ['the empty string', ['', 'a', 'z'], { $lt: 'm' }],
    ['false', [false, true], { $lte: true }],
    ['false alone', [false, true], { $lte: false }],
    ['the empty document', [{}, { a: 1 }], { $lt: { a: 2 } }],
    ['NaN', [Number.NaN, 1], { $lte: Number.NaN }],
    ['-Infinity', [Number.NEGATIVE_INFINITY, 1], { $lt: 5 }],
    ['a decimal below every double', [Decimal128.fromString('-1E+400'), 1], { $lt: 5 }],
  ])('does not hide %s from a range with an upper bound', async (name, values, condition) => {
    const rows = collection(`descending ${name}`);
    await rows.insertMany(values.map((b, _id) => ({ _id, b })));
    const found = async () => idsOf(await rows.find({ b: condition }).sort({ _id: 1 }).toArray());
    const scanned = await found();
    expect(scanned).toContain(0);
    await rows.createIndex({ b: -1 });
    expect(await found()).toEqual(scanned);
  });
});

describe('every index', () => {
  const scalars: unknown[] = [
    null,
    false,
    true,
    '',
    'a',
    'm',
    '\0',
    '\u{1f600}',
    '\uffff',
    -1,
    0,
    1,
    2,
    2.5,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Long.fromString('9007199254740993'),
    Decimal128.fromString('-1E+400'),
    Decimal128.fromString('0.1'),
    new Date(0),
    new Date(-5),
    {},
    { k: 1 },
  ];
  const indexSets: readonly (readonly IndexDescription[])[] = [
    [],
    [{ key: { a: 1 } }, { key: { b: -1 } }],
    [{ key: { a: -1, b: 1 } }, { key: { b: -1, a: -1 } }],
    [{ key: { 'o.x': 1, 'o.y': -1 } }, { key: { a: 1 }, sparse: true }],
    [{ key: { b: 1, 'o.x': -1 } }, { key: { a: 1 }, partialFilterExpression: { b: { $exists: true } } }],
    [{ key: { o: 1, 'o.x': 1 } }, { key: { 'o.1.x': 1, 'o.y': 1 } }],
  ];
  const names = indexSets.map((_indexes, position) => `indexed${position}`);

  beforeAll(async () => {
    const pick = <T>(list: readonly T[], position: number): T | undefined => list[position % list.length];
    const rows = Array.from({ length: 240 }, (_unused, i): Row => {
      const inner = { x: pick(scalars, i * 7), y: pick(scalars, i * 5 + 1) };
      const second = { x: pick(scalars, i * 11 + 3), y: pick(scalars, i * 13) };
      const lists = [inner, [inner, second], [], [second, 3, {}], [[inner]]];
      return {
        _id: i,
        ...(i % 9 ? { a: i % 4 ? pick(scalars, i) : [pick(scalars, i), pick(scalars, i * 3)] } : {}),
        ...(i % 8 ? { b: pick(scalars, i * 17) } : {}),
        ...(i % 4 && i % 7 ? { o: pick(lists, i) } : {}),
      };
    });
    for (const [position, indexes] of indexSets.entries()) {
      const target = collection(names[position] ?? '');
      await target.insertMany(rows);
      if (indexes.length > 0) await target.createIndexes([...indexes]);
    }
  });

  const scalar = fc.constantFrom(...scalars);
  const range = fc.record(
    { $gt: scalar, $gte: scalar, $lt: scalar, $lte: scalar, $ne: scalar },
    { requiredKeys: [] },
  );
  const list = fc.array(scalar, { minLength: 1, maxLength: 3 });
  const condition: fc.Arbitrary<unknown> = fc.oneof(
    scalar,
    scalar.map(($eq) => ({ $eq })),
    list.map(($in) => ({ $in })),
    fc.tuple(list, range).map(([$in, rest]) => ({ $in, ...rest })),
    range.filter((one) => Object.keys(one).length > 0),
    fc.constant({ $exists: true }),
  );
  const idCondition = fc.oneof(
    fc.nat(250),
    fc.array(fc.nat(250), { maxLength: 40 }).map(($in) => ({ $in })),
    fc.tuple(fc.array(fc.nat(250), { maxLength: 40 }), fc.nat(250)).map(([$in, $gt]) => ({ $in, $gt })),
    fc.tuple(fc.nat(250), fc.nat(250)).map(([$gte, $lt]) => ({ $gte, $lt })),
  );
  const clause = fc.record<Document>(
    {
      _id: idCondition,
      a: condition,
      b: condition,
      o: condition,
      'o.x': condition,
      'o.y': condition,
      'o.1.x': condition,
    },
    { requiredKeys: [] },
  );
  const filters: fc.Arbitrary<Document> = fc.oneof(
    { weight: 3, arbitrary: clause },
    fc.tuple(clause, clause).map(($and) => ({ $and })),
    fc.tuple(clause, clause).map(([first, second]) => ({ ...first, $and: [second] })),
  );
  const sorts = fc.constantFrom<Sort>({ _id: 1 }, { a: 1, _id: 1 }, { b: -1, _id: 1 }, { 'o.x': -1, _id: 1 });

  it('finds what a scan finds, in the same order, whatever the filter', async () => {
    await fc.assert(
      fc.asyncProperty(filters, sorts, async (filter, sort) => {
        const scan = collection(names[0] ?? '').find(filter, { sort, hint: { $natural: 1 } });
        const scanned = idsOf(await scan.toArray());
        for (const name of names)
          expect(idsOf(await collection(name).find(filter, { sort }).toArray())).toEqual(scanned);
      }),
      { seed: 20261127, numRuns: 400 },
    );
  });
});
