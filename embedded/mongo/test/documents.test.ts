import { Binary, Decimal128, type Document, Double, Int32, Long, ObjectId, UUID } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { rejection, useDatabase } from './support/database.ts';

const test = useDatabase();

interface Row extends Document {
  _id: number;
}

interface ArrayRow {
  _id: number;
  a: number[];
  o: { k: number; v: number }[];
  x: number;
  s?: number[];
}

const collection = (name: string) => test.database.collection<Row>(name);

describe('find', () => {
  it('filters, sorts, skips, limits and projects', async () => {
    const rows = test.database.collection('crud');
    await rows.insertMany(
      Array.from({ length: 20 }, (_, i) => ({ i, g: i % 3, n: { a: i, b: [i, i + 1] }, s: `x${i}` })),
    );
    const page = await rows
      .find({ i: { $gte: 5, $lt: 15 } })
      .sort({ g: 1, i: -1 })
      .skip(1)
      .limit(3)
      .project({ _id: 0, i: 1, 'n.a': 1 })
      .toArray();
    expect(page).toEqual([
      { i: 9, n: { a: 9 } },
      { i: 6, n: { a: 6 } },
      { i: 13, n: { a: 13 } },
    ]);
    expect(await rows.findOne({ 'n.b': 7 }, { projection: { n: 0, _id: 0, g: 0 } })).toEqual({
      i: 6,
      s: 'x6',
    });
    expect((await rows.deleteMany({ i: { $gt: 17 } })).deletedCount).toBe(2);
    expect((await rows.distinct('g')).sort()).toEqual([0, 1, 2]);
    expect(await rows.estimatedDocumentCount()).toBe(18);
    expect((await rows.replaceOne({ i: 4 }, { i: 4, z: 1 })).modifiedCount).toBe(1);
  });

  it('hands out 2500 documents in order over many batches', async () => {
    const rows = collection('batches');
    await rows.insertMany(Array.from({ length: 2500 }, (_, i) => ({ _id: i })));
    const seen: number[] = [];
    for await (const { _id } of rows.find().sort({ _id: 1 }).batchSize(100)) seen.push(_id);
    expect(seen).toEqual(Array.from({ length: 2500 }, (_, i) => i));
  });

  it.each<[Document, number[]]>([
    [{ a: null }, [2, 3]],
    [{ a: { $exists: true } }, [1, 2, 4, 5]],
    [{ t: 'x' }, [1]],
    [{ t: { $in: ['z', 'y'] } }, [1, 2]],
    [{ o: { $elemMatch: { k: 1, v: { $gt: 5 } } } }, []],
    [{ o: { $elemMatch: { k: 2, v: { $gt: 5 } } } }, [1]],
    [{ 'o.v': 9 }, [1]],
    [{ s: /^hello/i }, [4]],
    [{ s: { $regex: 'World$' } }, [4]],
    [{ a: { $type: 'string' } }, [4]],
    [{ $or: [{ a: 1 }, { d: { $lte: new Date(6) } }] }, [1, 5]],
    [{ $expr: { $gt: ['$a', 2] } }, [4, 5]],
    [{ t: { $size: 0 } }, [3]],
    [{ a: { $not: { $gt: 2 } } }, [1, 2, 3, 4]],
    [{ a: { $nin: [1, null] } }, [4, 5]],
    [{ t: { $all: ['x', 'y'] } }, [1]],
    [{ a: { $gt: 0 } }, [1, 5]],
  ])('matches %j', async (filter, ids) => {
    const rows = collection('operators');
    await rows.deleteMany({});
    await rows.insertMany([
      {
        _id: 1,
        a: 1,
        t: ['x', 'y'],
        o: [
          { k: 1, v: 2 },
          { k: 2, v: 9 },
        ],
      },
      { _id: 2, a: null, t: ['z'] },
      { _id: 3, t: [] },
      { _id: 4, a: 'str', s: 'Hello World' },
      { _id: 5, a: 2.5, d: new Date(5) },
    ]);
    expect((await rows.find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id)).toEqual(ids);
  });

  it('compares strings by the collation asked for', async () => {
    const rows = collection('collation');
    await rows.insertMany([
      { _id: 1, n: 'Bob' },
      { _id: 2, n: 'bob' },
      { _id: 3, n: 'al' },
    ]);
    expect(await rows.find({ n: 'BOB' }).collation({ locale: 'en', strength: 2 }).toArray()).toHaveLength(2);
  });
});

describe('update', () => {
  it('upserts with $inc, $setOnInsert, $max and $min', async () => {
    const rows = test.database.collection('upsert');
    const change = (n: number, bound: number) => ({
      $inc: { n },
      $setOnInsert: { c: n },
      $max: { hi: bound },
      $min: { lo: bound },
    });
    const first = await rows.updateOne({ key: 'a', day: 1 }, change(2, 5), { upsert: true });
    expect([first.upsertedCount, first.matchedCount, first.modifiedCount]).toEqual([1, 0, 0]);
    await rows.updateOne({ key: 'a', day: 1 }, change(3, 9), { upsert: true });
    expect(await rows.findOne({ key: 'a' }, { projection: { _id: 0 } })).toEqual({
      key: 'a',
      day: 1,
      n: 5,
      c: 2,
      hi: 9,
      lo: 5,
    });
    const same = await rows.updateOne({ key: 'a' }, { $set: { n: 5 } });
    expect([same.matchedCount, same.modifiedCount]).toEqual([1, 0]);
  });

  it('changes arrays, also by position and array filters', async () => {
    const rows = test.database.collection<ArrayRow>('arrays');
    await rows.insertOne({
      _id: 1,
      a: [1, 2, 3],
      o: [
        { k: 1, v: 1 },
        { k: 2, v: 2 },
      ],
      x: 2,
    });
    await rows.updateOne(
      { _id: 1 },
      { $push: { a: { $each: [4, 5, 6], $slice: -4 } }, $mul: { x: 3 }, $unset: { none: '' } },
    );
    await rows.updateOne({ _id: 1, 'o.k': 2 }, { $set: { 'o.$.v': 20 } });
    await rows.updateOne({ _id: 1 }, { $inc: { 'o.$[e].v': 5 } }, { arrayFilters: [{ 'e.k': 1 }] });
    await rows.updateOne(
      { _id: 1 },
      { $pull: { a: { $gt: 5 } }, $addToSet: { s: { $each: [1, 1, 2] } }, $rename: { x: 'y' } },
    );
    expect(await rows.findOne({ _id: 1 })).toEqual({
      _id: 1,
      a: [3, 4, 5],
      o: [
        { k: 1, v: 6 },
        { k: 2, v: 20 },
      ],
      s: [1, 2],
      y: 6,
    });
  });

  it('runs a pipeline', async () => {
    const rows = collection('pipeline');
    await rows.insertOne({ _id: 1, a: 2 });
    await rows.updateOne({ _id: 1 }, [
      { $set: { b: { $multiply: ['$a', 10] }, c: { $cond: [{ $gt: ['$a', 1] }, 'hi', 'lo'] } } },
    ]);
    expect(await rows.findOne({ _id: 1 })).toEqual({ _id: 1, a: 2, b: 20, c: 'hi' });
  });

  it('gives a condition to exactly as many of 200 callers as it holds for', async () => {
    const rows = collection('balance');
    await rows.insertOne({ _id: 1, balance: 1000, ops: 0 });
    const results = await Promise.all(
      Array.from({ length: 200 }, () =>
        rows.findOneAndUpdate(
          { _id: 1, balance: { $gte: 7 } },
          { $inc: { balance: -7, ops: 1 } },
          { returnDocument: 'after' },
        ),
      ),
    );
    const balances = results.filter((row) => row !== null).map(({ balance }) => balance);
    expect([balances.length, new Set(balances).size]).toEqual([142, 142]);
    expect(await rows.findOne({ _id: 1 })).toEqual({ _id: 1, balance: 6, ops: 142 });
  });

  it.each<[string, Document, number]>([
    ['mixes inclusion and exclusion', { x: 1, y: 0 }, 31254],
    ['names an unknown expression', { x: { $bogus: 1 } }, 168],
    ['finds no element', { 'list.$': 1 }, 2],
  ])('changes nothing when the projection of the answer %s', async (_name, projection, code) => {
    const rows = collection('badProjection');
    await rows.deleteMany({});
    const row = { _id: 2, x: 2, list: [1] };
    await rows.insertOne(row);
    const increment = { $inc: { x: 10 } };
    for (const returnDocument of ['before', 'after'] as const)
      await expect(
        rows.findOneAndUpdate({ _id: 2 }, increment, { projection, returnDocument }),
      ).rejects.toMatchObject({ code });
    await expect(rows.findOneAndReplace({ _id: 2 }, { x: 1 }, { projection })).rejects.toMatchObject({
      code,
    });
    await expect(rows.findOneAndDelete({ _id: 2 }, { projection })).rejects.toMatchObject({ code });
    expect(await rows.find().toArray()).toEqual([row]);
    const upserted = rows.findOneAndUpdate({ _id: 3 }, [{ $set: { list: [1] } }], {
      projection,
      upsert: true,
      returnDocument: 'after',
    });
    await expect(upserted).rejects.toMatchObject({ code });
    expect(await rows.countDocuments({ _id: 3 })).toBe(0);
  });

  it('answers findAndModify with the state before or after, projected', async () => {
    const rows = collection('answers');
    await rows.insertOne({ _id: 1, x: 1, y: 5 });
    const options = { projection: { _id: 0, x: 1 } };
    expect(await rows.findOneAndUpdate({ _id: 1 }, { $inc: { x: 1 } }, options)).toEqual({ x: 1 });
    expect(
      await rows.findOneAndUpdate({ _id: 1 }, { $inc: { x: 1 } }, { ...options, returnDocument: 'after' }),
    ).toEqual({ x: 3 });
    expect(await rows.findOneAndDelete({ _id: 1 }, options)).toEqual({ x: 3 });
    expect(await rows.findOneAndDelete({ _id: 1 }, options)).toBeNull();
    const upsert = { ...options, upsert: true };
    expect(await rows.findOneAndUpdate({ _id: 4 }, { $set: { x: 4 } }, upsert)).toBeNull();
    expect(
      await rows.findOneAndUpdate({ _id: 5 }, { $set: { x: 5 } }, { ...upsert, returnDocument: 'after' }),
    ).toEqual({ x: 5 });
  });

  it('counts 1000 bulk upserts by key exactly, and reports the write error of each statement', async () => {
    const rows = test.database.collection('bulk');
    await rows.createIndex({ k: 1 }, { unique: true });
    const operations = Array.from({ length: 1000 }, (_, i) => ({
      updateOne: { filter: { k: `k${i % 900}` }, update: { $inc: { n: 1 }, $max: { m: i } }, upsert: true },
    }));
    const first = await rows.bulkWrite(operations, { ordered: false });
    expect([first.upsertedCount, first.matchedCount]).toEqual([900, 100]);
    await rows.bulkWrite(operations, { ordered: false });
    expect((await rows.findOne({ k: 'k5' }))?.n).toBe(4);
    const failed = await rejection(
      rows.insertMany([{ k: 'new1' }, { k: 'k5' }, { k: 'new2' }, { k: 'k6' }], { ordered: false }),
    );
    expect(failed).toMatchObject({ code: 11000, writeErrors: [{ index: 1 }, { index: 3 }] });
    expect(await rows.countDocuments({ k: /^new/ })).toBe(2);
  });
});

describe('types', () => {
  it('keep apart and are incremented exactly', async () => {
    const rows = collection('types');
    const document = {
      _id: 1,
      i: new Int32(5),
      d: new Double(5),
      l: Long.fromString('9007199254740993'),
      dec: Decimal128.fromString('1.10'),
      u: new UUID(),
      b: new Binary(Buffer.from('hi')),
      r: /a/i,
      o: new ObjectId(),
    };
    await rows.insertOne(document);
    await rows.updateOne(
      { _id: 1 },
      {
        $inc: {
          i: new Int32(1),
          d: new Double(1),
          l: Long.fromNumber(1),
          dec: Decimal128.fromString('0.05'),
        },
      },
    );
    const read = await rows.findOne({ _id: 1 }, { promoteValues: false });
    expect(['i', 'd', 'l', 'dec'].map((name) => [read?.[name]._bsontype, String(read?.[name])])).toEqual([
      ['Int32', '6'],
      ['Double', '6'],
      ['Long', '9007199254740994'],
      ['Decimal128', '1.15'],
    ]);
  });

  it('sort and match exactly beyond 2^53, with and without an index', async () => {
    const rows = collection('numbers');
    const values = [
      Long.fromString('9007199254740993'),
      9007199254740992,
      Decimal128.fromString('9007199254740992.5'),
      Long.fromString('9007199254740994'),
      Decimal128.fromString('0.1'),
      0.1,
    ];
    await rows.insertMany(values.map((v, _id) => ({ _id, v })));
    const sorted = async () => (await rows.find().sort({ v: 1, _id: 1 }).toArray()).map(({ _id }) => _id);
    const equal = async () =>
      (await rows.find({ v: Long.fromString('9007199254740993') }).toArray()).map(({ _id }) => _id);
    const scanned = [await sorted(), await equal()];
    expect(scanned).toEqual([[4, 5, 1, 2, 0, 3], [0]]);
    await rows.createIndex({ v: 1 });
    expect([await sorted(), await equal()]).toEqual(scanned);
  });
});

describe('errors', () => {
  it.each<[string, Document, { code: number; message?: RegExp }]>([
    ['an unknown command', { mapReduce: 'x' }, { code: 59, message: /no such command: 'mapReduce'/ }],
    ['an unknown field of a command', { find: 'x', surprise: 1 }, { code: 40415, message: /surprise/ }],
    [
      'an unknown stage',
      { aggregate: 'x', pipeline: [{ $bogus: {} }], cursor: {} },
      { code: 40324, message: /\$bogus/ },
    ],
    [
      'an unknown expression',
      { aggregate: 'x', pipeline: [{ $project: { a: { $bogus: 1 } } }], cursor: {} },
      { code: 168 },
    ],
    [
      'an unknown query operator',
      { find: 'x', filter: { a: { $bogus: 1 } } },
      { code: 2, message: /\$bogus/ },
    ],
    [
      'an unknown modifier',
      { findAndModify: 'x', update: { $bogus: { a: 1 } } },
      { code: 9, message: /\$bogus/ },
    ],
    ['conflicting modifiers', { findAndModify: 'x', update: { $set: { a: 1, 'a.b': 1 } } }, { code: 40 }],
  ])('name what is wrong with %s', async (_name, command, { code, message }) => {
    await test.database.collection('x').insertOne({ a: 1 });
    const error = await rejection(test.database.command(command));
    expect(error.code).toBe(code);
    if (message !== undefined) expect(error.message).toMatch(message);
  });

  it('refuse to increment text or to change _id', async () => {
    const rows = collection('refused');
    await rows.insertOne({ _id: 1, a: 'text' });
    await expect(rows.updateOne({ _id: 1 }, { $inc: { a: 1 } })).rejects.toMatchObject({ code: 14 });
    await expect(rows.updateOne({ _id: 1 }, { $set: { _id: 2 } })).rejects.toMatchObject({ code: 66 });
  });

  it('refuse documents that a validator does not accept', async () => {
    await test.database.createCollection('valid', {
      validator: { $jsonSchema: { required: ['a'], properties: { a: { bsonType: 'int', minimum: 3 } } } },
    });
    await expect(collection('valid').insertOne({ _id: 1, b: 1 })).rejects.toMatchObject({ code: 121 });
    await expect(collection('valid').insertOne({ _id: 1, a: 2 })).rejects.toMatchObject({ code: 121 });
    await collection('valid').insertOne({ _id: 1, a: 3 });
  });
});
