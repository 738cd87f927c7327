import { type Document, MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { serialize } from '../src/bson/serialize.ts';
import { BatchWriter, changeKind } from '../src/storage/batch.ts';
import { Database } from '../src/storage/database.ts';
import { useDatabase } from './support/database.ts';
import { ServerProcess } from './support/serverProcess.ts';

const test = useDatabase();

interface Row extends Document {
  _id: number;
}

const collection = (name: string) => test.database.collection<Row>(name);
const duplicate = { code: 11000 };
const parallel = { code: 171, codeName: 'CannotIndexParallelArrays' };

describe('an index over the elements of one array', () => {
  it('pairs values of the same element only', async () => {
    const rows = collection('pairs');
    await rows.createIndex({ 'a.x': 1, 'a.y': 1 }, { unique: true });
    await rows.insertOne({
      _id: 1,
      a: [
        { x: 1, y: 2 },
        { x: 3, y: 4 },
      ],
    });
    await rows.insertOne({ _id: 2, a: [{ x: 1, y: 4 }] });
    await rows.insertOne({ _id: 3, a: { x: 3, y: 2 } });
    await expect(rows.insertOne({ _id: 4, a: { x: 3, y: 4 } })).rejects.toMatchObject(duplicate);
    await expect(rows.updateOne({ _id: 2 }, { $set: { a: [{}, { x: 1, y: 2 }] } })).rejects.toMatchObject(
      duplicate,
    );
  });

  it('finds documents whose elements satisfy the conditions one by one', async () => {
    const rows = collection('oneByOne');
    await rows.createIndex({ 'a.x': 1, 'a.y': 1 });
    await rows.insertMany([
      { _id: 1, a: [{ x: 1 }, { y: 4 }] },
      { _id: 2, a: { x: 1, y: 4 } },
      { _id: 3, a: { x: 1, y: 5 } },
    ]);
    const found = async (filter: Document) =>
      (await rows.find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id);
    expect(await found({ 'a.x': 1, 'a.y': 4 })).toEqual([1, 2]);
    expect(await found({ 'a.x': 1, 'a.y': { $gt: 3, $lt: 5 } })).toEqual([1, 2]);
    expect(await found({ a: { $elemMatch: { x: 1, y: 4 } } })).toEqual([]);
  });

  it('goes into arrays inside of elements', async () => {
    const rows = collection('nested');
    await rows.createIndex({ 'a.b.x': 1, 'a.y': 1, z: 1 }, { unique: true });
    const a = [
      { b: [{ x: 1 }, { x: 2 }], y: 1 },
      { b: { x: 3 }, y: 2 },
    ];
    await rows.insertOne({ _id: 1, a, z: 1 });
    await rows.insertOne({ _id: 2, a: { b: { x: 3 }, y: 1 }, z: 1 });
    await rows.insertOne({ _id: 3, a: { b: { x: 1 }, y: 1 }, z: 2 });
    for (const [x, y] of [
      [1, 1],
      [2, 1],
      [3, 2],
    ])
      await expect(rows.insertOne({ _id: 4, a: { b: { x }, y }, z: 1 })).rejects.toMatchObject(duplicate);
  });
});

describe('an index over two arrays', () => {
  it.each<[string, Document]>([
    ['side by side', { a: [1, 2], b: [1, 2] }],
    ['of one element each', { a: [1], b: [1] }],
    ['one of them empty', { a: [], b: [1] }],
  ])('refuses documents with arrays %s', async (_name, document) => {
    const rows = collection('parallel');
    await rows.drop();
    await rows.createIndex({ a: 1, b: 1 });
    await rows.insertOne({ _id: 1, a: [1, 2], b: 1 });
    await rows.insertOne({ _id: 2, a: 1, b: [1, 2] });
    await expect(rows.insertOne({ _id: 3, ...document })).rejects.toMatchObject(parallel);
    await expect(rows.updateOne({ _id: 1 }, { $set: document })).rejects.toMatchObject(parallel);
    expect(await rows.find({ a: 1, b: 1 }).sort({ _id: 1 }).toArray()).toEqual([
      { _id: 1, a: [1, 2], b: 1 },
      { _id: 2, a: 1, b: [1, 2] },
    ]);
  });

  it('is not built while a document has both', async () => {
    const rows = collection('parallelBuild');
    await rows.insertOne({ _id: 1, a: [{ x: [1], y: [2] }] });
    await expect(rows.createIndex({ 'a.x': 1, 'a.y': 1 })).rejects.toMatchObject(parallel);
    expect(await rows.indexes()).toHaveLength(1);
  });

  it('is opened with the documents that earlier versions wrote', async () => {
    await using server = new ServerProcess();
    const row = { _id: 1, a: [1, 2], b: [3, 4], n: 0 };
    const index = { v: 2, key: { a: 1, b: 1 }, name: 'a_1_b_1', unique: true };
    const batch = new BatchWriter();
    const metadata = { database: 'd', name: 'rows', options: {}, indexes: [index] };
    batch.add(changeKind.putCollection, 1, 0, serialize(metadata));
    batch.add(changeKind.putDocument, 1, 1, serialize(row));
    const file = new Database(server.file);
    file.commit(batch.take());
    file.close();
    await server.start();
    await using client = await MongoClient.connect(server.url);
    const rows = client.db('d').collection<Row>('rows');
    for (const a of [1, 2]) for (const b of [3, 4]) expect(await rows.findOne({ a, b })).toEqual(row);
    expect((await rows.updateOne({ _id: 1 }, { $inc: { n: 1 } })).modifiedCount).toBe(1);
    await expect(rows.insertOne({ _id: 2, a: 1, b: 4 })).rejects.toMatchObject(duplicate);
    await expect(rows.updateOne({ _id: 1 }, { $set: { a: [1, 2, 5] } })).rejects.toMatchObject(parallel);
    await rows.updateOne({ _id: 1 }, { $set: { b: 3 } });
    await rows.insertOne({ _id: 2, a: 1, b: 4 });
  });
});
