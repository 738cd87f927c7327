import type { ChangeStreamDocument, Document } from 'mongodb';
import { expect, it } from 'vitest';
import { rejection, useDatabase } from './support/database.ts';

const test = useDatabase();

interface Row extends Document {
  _id: number;
}

const collection = (name: string) => test.database.collection<Row>(name);

it('commits changes of several collections together and reads its own writes', async () => {
  const [left, right] = [collection('left'), collection('right')];
  await left.insertOne({ _id: 1, n: 10 });
  await right.insertOne({ _id: 1, n: 0 });
  await test.client.withSession((session) =>
    session.withTransaction(async () => {
      await left.updateOne({ _id: 1 }, { $inc: { n: -3 } }, { session });
      await right.updateOne({ _id: 1 }, { $inc: { n: 3 } }, { session });
      expect(await left.findOne({ _id: 1 }, { session })).toEqual({ _id: 1, n: 7 });
      expect(await left.findOne({ _id: 1 })).toEqual({ _id: 1, n: 10 });
    }),
  );
  expect([await left.findOne(), await right.findOne()]).toEqual([
    { _id: 1, n: 7 },
    { _id: 1, n: 3 },
  ]);
});

it('reads the state as of its start while others insert, change and delete, also through an index', async () => {
  const rows = collection('snapshot');
  await rows.createIndex({ v: 1 });
  await rows.insertMany([1, 2, 3, 4].map((_id) => ({ _id, v: _id })));
  await using session = test.client.startSession();
  session.startTransaction();
  const read = async () => ({
    all: await rows.find({}, { session }).sort({ v: 1 }).toArray(),
    range: await rows
      .find({ v: { $gte: 2 } }, { session })
      .sort({ v: -1 })
      .toArray(),
    one: await rows.findOne({ _id: 2 }, { session }),
    sum: await rows.aggregate([{ $group: { _id: null, s: { $sum: '$v' } } }], { session }).toArray(),
  });
  const before = await read();
  await rows.updateOne({ _id: 2 }, { $set: { v: 20 } });
  await rows.updateOne({ _id: 2 }, { $set: { v: 200 } });
  await rows.deleteOne({ _id: 3 });
  await rows.insertOne({ _id: 5, v: 2 });
  await rows.insertOne({ _id: 3, v: 30 });
  expect(await read()).toEqual(before);
  await session.commitTransaction();
  expect(
    (
      await rows
        .find({ v: { $gte: 2 } })
        .sort({ v: 1 })
        .toArray()
    ).map(({ _id, v }) => [_id, v]),
  ).toEqual([
    [5, 2],
    [4, 4],
    [3, 30],
    [2, 200],
  ]);
});

it('rolls back, frees unique keys and leaves nothing in indexes', async () => {
  const rows = collection('rollback');
  await rows.createIndex({ k: 1 }, { unique: true });
  await rows.insertOne({ _id: 1, k: 'old' });
  await using session = test.client.startSession();
  session.startTransaction();
  await rows.updateOne({ _id: 1 }, { $set: { k: 'new' } }, { session });
  await rows.insertOne({ _id: 2, k: 'other' }, { session });
  await session.abortTransaction();
  await rows.insertMany([
    { _id: 3, k: 'new' },
    { _id: 4, k: 'other' },
  ]);
  expect(await rows.find({ k: 'old' }).toArray()).toEqual([{ _id: 1, k: 'old' }]);
  await expect(rows.insertOne({ _id: 5, k: 'old' })).rejects.toMatchObject({ code: 11000 });
});

it('meets a write conflict at once, with the label that lets the driver try again', async () => {
  const rows = collection('conflict');
  await rows.insertOne({ _id: 1, n: 0 });
  await using first = test.client.startSession();
  await using second = test.client.startSession();
  first.startTransaction();
  second.startTransaction();
  await rows.findOne({ _id: 1 }, { session: second });
  await rows.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: first });
  expect(await rejection(rows.updateOne({ _id: 1 }, { $inc: { n: 1 } }, { session: second }))).toMatchObject({
    code: 112,
    labels: ['TransientTransactionError'],
  });
  await first.commitTransaction();
  await second.abortTransaction();
  expect(await rows.findOne({ _id: 1 })).toEqual({ _id: 1, n: 1 });
});

it('lets 20 parallel read-modify-write transactions add up', async () => {
  const rows = collection('parallel');
  await rows.insertOne({ _id: 1, n: 0 });
  const increment = () =>
    test.client.withSession((session) =>
      session.withTransaction(async () => {
        const row = await rows.findOne({ _id: 1 }, { session });
        await rows.updateOne({ _id: 1 }, { $set: { n: row?.n + 1 } }, { session });
      }),
    );
  await Promise.all(Array.from({ length: 20 }, increment));
  expect(await rows.findOne({ _id: 1 })).toEqual({ _id: 1, n: 20 });
});

it('makes a write outside of transactions wait for the holder of the document', async () => {
  const rows = collection('waiting');
  await rows.insertOne({ _id: 1, n: 1 });
  await using session = test.client.startSession();
  session.startTransaction();
  await rows.updateOne({ _id: 1 }, { $mul: { n: 10 } }, { session });
  let isDone = false;
  const outside = rows.updateOne({ _id: 1 }, { $inc: { n: 1 } }).then(() => {
    isDone = true;
  });
  await rows.findOne({ _id: 1 });
  expect(isDone).toBe(false);
  await session.commitTransaction();
  await outside;
  expect(await rows.findOne({ _id: 1 })).toEqual({ _id: 1, n: 11 });
});

it('is ended by a duplicate key', async () => {
  const rows = collection('ended');
  await rows.insertOne({ _id: 1 });
  await using session = test.client.startSession();
  session.startTransaction();
  await rows.insertOne({ _id: 2 }, { session });
  await expect(rows.insertOne({ _id: 1 }, { session })).rejects.toMatchObject({ code: 11000 });
  await expect(rows.insertOne({ _id: 3 }, { session })).rejects.toMatchObject({ code: 251 });
  expect(await rows.countDocuments()).toBe(1);
});

it('streams changes, and resumes after a token', async () => {
  const rows = collection('watched');
  await rows.insertOne({ _id: 0 });
  const seen: ChangeStreamDocument<Row>[] = [];
  const take = async (count: number, options = {}) => {
    await using stream = rows.watch([], options);
    const ready = stream.tryNext();
    await ready;
    if (seen.length === 0) {
      await rows.insertOne({ _id: 1, a: 1 });
      await rows.updateOne({ _id: 1 }, { $set: { a: 2 } });
      await rows.deleteOne({ _id: 1 });
    }
    for (let index = 0; index < count; index++) seen.push(await stream.next());
  };
  await take(1);
  const [first] = seen;
  const token = first?._id;
  await using resumed = rows.watch([], { resumeAfter: token });
  const next = [await resumed.next(), await resumed.next()];
  expect([first, ...next].map((change) => change?.operationType)).toEqual(['insert', 'update', 'delete']);
  expect(next[0]).toMatchObject({ updateDescription: { updatedFields: { a: 2 }, removedFields: [] } });
});
