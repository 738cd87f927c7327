import { type Document, Long } from 'mongodb';
import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { useDatabase } from './support/database.ts';

const test = useDatabase();

interface Row extends Document {
  _id: number;
}

const collection = (name: string) => test.database.collection<Row>(name);

describe('indexes', () => {
  it('reject a second document with the same unique key, naming key and value', async () => {
    const rows = collection('unique');
    await rows.createIndex({ email: 1 }, { unique: true });
    await rows.insertMany([
      { _id: 1, email: 'a' },
      { _id: 2, email: 'b' },
    ]);
    await expect(rows.insertOne({ _id: 3, email: 'a' })).rejects.toMatchObject({
      code: 11000,
      keyPattern: { email: 1 },
      keyValue: { email: 'a' },
    });
    await expect(rows.updateOne({ _id: 2 }, { $set: { email: 'a' } })).rejects.toMatchObject({ code: 11000 });
    await expect(rows.insertOne({ _id: 1, email: 'c' })).rejects.toMatchObject({ code: 11000 });
  });

  it('cover only part of the documents when partial or sparse', async () => {
    const partial = collection('partial');
    await partial.createIndex({ u: 1 }, { unique: true, partialFilterExpression: { status: 'active' } });
    await partial.insertMany([
      { _id: 1, u: 1, status: 'old' },
      { _id: 2, u: 1, status: 'old' },
      { _id: 3, u: 1, status: 'active' },
    ]);
    await expect(partial.updateOne({ _id: 1 }, { $set: { status: 'active' } })).rejects.toMatchObject({
      code: 11000,
    });
    expect(await partial.countDocuments({ u: 1 })).toBe(3);
    const sparse = collection('sparse');
    await sparse.createIndex({ u: 1 }, { unique: true, sparse: true });
    await sparse.insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3, u: 1 }]);
    await expect(sparse.insertOne({ _id: 4, u: 1 })).rejects.toMatchObject({ code: 11000 });
  });

  it('give the same answers as a scan, for ranges, sorts, arrays, nulls and descending fields', async () => {
    const rows = collection('same');
    const value = (i: number) => [i % 7, null, [i % 5, i % 3], `s${i % 4}`, new Date(i), []][i % 6];
    await rows.insertMany(
      Array.from({ length: 300 }, (_, i) => ({
        _id: i,
        a: value(i),
        b: i % 11,
        ...(i % 5 ? { c: { d: i } } : {}),
      })),
    );
    const filters: Document[] = [
      { a: 3 },
      { a: null },
      { a: { $gte: 2, $lt: 5 } },
      { a: { $in: [1, 's2'] } },
      { a: { $gt: 's1' } },
      { a: 1, b: { $gte: 4 } },
      { 'c.d': { $lt: 50 } },
      { 'c.d': null, b: 5 },
    ];
    const answers = async () =>
      Promise.all(
        filters.flatMap((filter) =>
          [{ _id: 1 as const }, { b: -1 as const, _id: 1 as const }].map(async (sort) =>
            (await rows.find(filter).sort(sort).toArray()).map(({ _id }) => _id),
          ),
        ),
      );
    const scanned = await answers();
    await rows.createIndexes([
      { key: { a: 1 } },
      { key: { a: -1, b: 1 } },
      { key: { b: -1, _id: 1 } },
      { key: { 'c.d': -1 } },
    ]);
    expect(await answers()).toEqual(scanned);
  });

  it('expire documents', async () => {
    const rows = collection('ttl');
    await rows.createIndex({ at: 1 }, { expireAfterSeconds: 1 });
    await rows.insertMany([
      { _id: 1, at: new Date(Date.now() - 10_000) },
      { _id: 2, at: new Date(Date.now() + 1e7) },
      { _id: 3 },
    ]);
    await expect.poll(() => rows.countDocuments(), { timeout: 240_000, interval: 200 }).toBe(2);
  });
});

describe('aggregation', () => {
  const start = Date.UTC(2026, 0, 5, 10, 30);

  async function events(): Promise<ReturnType<typeof collection>> {
    const rows = collection('events');
    if ((await rows.estimatedDocumentCount()) === 0) {
      await rows.insertMany(
        Array.from({ length: 300 }, (_, i) => ({
          _id: i,
          g: `g${i % 5}`,
          v: i,
          w: i % 7,
          at: new Date(start + i * 600e3),
          ref: i % 10,
        })),
      );
      await collection('names').insertMany(Array.from({ length: 10 }, (_, i) => ({ _id: i, name: `n${i}` })));
    }
    return rows;
  }

  it.each<[string, Document[], Document[]]>([
    [
      '$group',
      [
        { $match: { _id: { $lt: 100 } } },
        { $group: { _id: '$g', n: { $sum: 1 }, s: { $sum: '$v' }, a: { $avg: '$v' }, hi: { $max: '$v' } } },
        { $sort: { _id: 1 } },
        { $limit: 1 },
      ],
      [{ _id: 'g0', n: 20, s: 950, a: 47.5, hi: 95 }],
    ],
    [
      '$facet',
      [
        {
          $facet: {
            total: [{ $count: 'n' }],
            top: [{ $sort: { v: -1 } }, { $limit: 1 }, { $project: { _id: 0, v: 1 } }],
          },
        },
      ],
      [{ total: [{ n: 300 }], top: [{ v: 299 }] }],
    ],
    [
      '$dateTrunc',
      [
        { $group: { _id: { $dateTrunc: { date: '$at', unit: 'day' } }, n: { $sum: 1 } } },
        { $sort: { _id: 1 } },
        { $limit: 1 },
      ],
      [{ _id: new Date('2026-01-05'), n: 81 }],
    ],
    [
      '$dateToString',
      [
        { $limit: 1 },
        {
          $project: {
            _id: 0,
            t: { $dateToString: { date: '$at', format: '%Y-%m-%d %H', timezone: 'Europe/Berlin' } },
          },
        },
      ],
      [{ t: '2026-01-05 11' }],
    ],
    [
      '$lookup',
      [
        { $match: { _id: 13 } },
        { $lookup: { from: 'names', localField: 'ref', foreignField: '_id', as: 'r' } },
        { $unwind: '$r' },
        { $project: { _id: 0, name: '$r.name' } },
      ],
      [{ name: 'n3' }],
    ],
    [
      '$lookup with a pipeline',
      [
        { $match: { _id: 3 } },
        {
          $lookup: {
            from: 'events',
            let: { x: '$_id' },
            pipeline: [
              { $match: { $expr: { $eq: ['$ref', '$$x'] } } },
              { $group: { _id: null, s: { $sum: '$v' } } },
            ],
            as: 'z',
          },
        },
        { $project: { s: { $first: '$z.s' } } },
      ],
      [{ _id: 3, s: 4440 }],
    ],
    [
      '$setWindowFields',
      [
        { $match: { _id: { $lt: 4 } } },
        {
          $setWindowFields: {
            sortBy: { _id: 1 },
            output: { run: { $sum: '$v', window: { documents: ['unbounded', 'current'] } } },
          },
        },
        { $project: { _id: 0, run: 1 } },
      ],
      [{ run: 0 }, { run: 1 }, { run: 3 }, { run: 6 }],
    ],
    [
      '$bucket',
      [{ $bucket: { groupBy: '$v', boundaries: [0, 100, 200, 300], output: { n: { $sum: 1 } } } }],
      [
        { _id: 0, n: 100 },
        { _id: 100, n: 100 },
        { _id: 200, n: 100 },
      ],
    ],
    ['$unionWith', [{ $unionWith: 'names' }, { $count: 'n' }], [{ n: 310 }]],
  ])('computes %s', async (_name, pipeline, wanted) => {
    expect(await (await events()).aggregate(pipeline).toArray()).toEqual(wanted);
  });

  it('computes percentiles', async () => {
    const [row] = await (await events())
      .aggregate([
        { $group: { _id: null, p: { $percentile: { input: '$v', p: [0.5, 0.95], method: 'approximate' } } } },
      ])
      .toArray();
    expect(Math.abs(row?.p[0] - 150)).toBeLessThan(4);
    expect(Math.abs(row?.p[1] - 284)).toBeLessThan(4);
  });

  it('sums int64 exactly', async () => {
    const rows = collection('longs');
    await rows.insertMany(
      Array.from({ length: 10 }, (_, i) => ({ _id: i, v: Long.fromString('9007199254740993') })),
    );
    const [row] = await rows
      .aggregate([{ $group: { _id: null, s: { $sum: '$v' } } }], { useBigInt64: true })
      .toArray();
    expect(row?.s).toBe(90071992547409930n);
  });

  it('merges into another collection', async () => {
    await (await events())
      .aggregate([
        { $group: { _id: '$g', n: { $sum: 1 } } },
        { $merge: { into: 'merged', whenMatched: 'replace', whenNotMatched: 'insert' } },
      ])
      .toArray();
    expect(await collection('merged').countDocuments()).toBe(5);
  });
});

it('serves mongoose: indexes, unique, populate, versions and transactions', async () => {
  const connection = await mongoose
    .createConnection(test.url, { dbName: test.database.databaseName, autoIndex: false })
    .asPromise();
  try {
    const User = connection.model(
      'User',
      new mongoose.Schema(
        { email: { type: String, unique: true }, age: Number, balance: mongoose.Schema.Types.Decimal128 },
        { timestamps: true, optimisticConcurrency: true },
      ),
    );
    const Post = connection.model(
      'Post',
      new mongoose.Schema({ title: String, user: { type: mongoose.Schema.Types.ObjectId, ref: 'User' } }),
    );
    await User.syncIndexes();
    const user = await User.create({ email: 'a@b', age: 3, balance: '1.25' });
    await expect(User.create({ email: 'a@b' })).rejects.toMatchObject({ code: 11000 });
    await Post.create([
      { title: 't1', user: user._id },
      { title: 't2', user: user._id },
    ]);
    const posts = await Post.find({ user: user._id })
      .sort('-title')
      .populate<{ user: { email: string } }>('user', 'email')
      .lean();
    expect(posts.map(({ title, user: { email } }) => [title, email])).toEqual([
      ['t2', 'a@b'],
      ['t1', 'a@b'],
    ]);
    const stale = await User.findById(user.id);
    user.age = 9;
    await user.save();
    stale?.set('age', 10);
    await expect(stale?.save()).rejects.toThrow('No matching document found');
    await connection.transaction(async (session) => {
      await User.create([{ email: 'tx@b' }], { session });
    });
    expect(await User.countDocuments()).toBe(2);
  } finally {
    await connection.close();
  }
});
