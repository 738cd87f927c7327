import { type CollationOptions, type Document, MongoClient } from 'mongodb';
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
const idsOf = (rows: readonly Row[]) => rows.map(({ _id }) => _id);

describe('a collation', () => {
  it.each<[CollationOptions, string, string[], string[]]>([
    [{ locale: 'de', strength: 1 }, 'strasse', ['strasse', 'straße', 'STRASSE'], ['strase']],
    [{ locale: 'sv', strength: 1 }, 'a', ['a', 'á'], ['å', 'ä']],
    [{ locale: 'en', numericOrdering: true }, '1', ['1', '01'], ['10']],
    [{ locale: 'en', alternate: 'shifted' }, 'ab', ['ab', 'a-b', 'a b'], ['abc']],
    [{ locale: 'en', strength: 1, caseLevel: true }, 'a', ['a', 'á'], ['A']],
    [{ locale: 'en', strength: 2 }, 'é', ['é', 'É', 'e\u0301'], ['e']],
    [{ locale: 'en' }, 'é', ['é', 'e\u0301'], ['É']],
  ])('%j has one equality everywhere', async (collation, asked, equal, others) => {
    const rows = collection('equality');
    await rows.drop();
    await rows.insertMany([...equal, ...others].map((text, _id) => ({ _id, text, list: [text] })));
    const ids = equal.map((_text, _id) => _id);
    const found = async (filter: Document) =>
      idsOf(await rows.find(filter, { collation, sort: { _id: 1 } }).toArray());
    const answers = async () => [
      await found({ text: asked }),
      await found({ text: { $in: [asked] } }),
      await found({ list: { $in: ['nothing', asked] } }),
      await found({ $nor: [{ text: { $nin: [asked] } }] }),
    ];
    const all = [ids, ids, ids, ids];
    expect(await answers()).toEqual(all);
    const values = await rows.distinct('text', {}, { collation });
    expect(values.filter((text) => equal.includes(text))).toHaveLength(1);
    const groups = await rows
      .aggregate([{ $group: { _id: '$text', n: { $sum: 1 } } }, { $match: { _id: asked } }], { collation })
      .toArray();
    expect(groups).toEqual([{ _id: equal[0], n: equal.length }]);
    const join = { from: 'equality', localField: 'text', foreignField: 'text', as: 'same' };
    const [joined] = await rows
      .aggregate([{ $match: { _id: 0 } }, { $lookup: join }], { collation })
      .toArray();
    expect(joined?.same).toHaveLength(equal.length);
    await rows.createIndex({ text: 1 }, { collation });
    expect(await answers()).toEqual(all);
    await rows.dropIndexes();
    await expect(rows.createIndex({ text: 1 }, { collation, unique: true })).rejects.toMatchObject({
      code: 11000,
    });
    await rows.deleteMany({ _id: { $gt: 0 } });
    await rows.createIndex({ text: 1 }, { collation, unique: true });
    for (const text of equal) {
      await expect(rows.insertOne({ _id: 100, text })).rejects.toMatchObject({ code: 11000 });
    }
    await rows.insertMany(others.map((text, position) => ({ _id: 200 + position, text })));
    await rows.updateOne({ _id: 0 }, { $set: { text: equal.at(-1) } });
    expect(await found({ text: asked })).toEqual([0]);
  });

  it.each<[Document, number]>([
    [{ locale: 'en', strength: 2, caseLevel: true }, 115],
    [{ locale: 'en', alternate: 'shifted', maxVariable: 'space' }, 115],
    [{ locale: 'en', strength: 4 }, 115],
    [{ locale: 'xx' }, 2],
  ])('%j is refused', async (collation, code) => {
    const answer = test.database.command({ find: 'equality', collation });
    await expect(answer).rejects.toMatchObject({ code });
  });

  it('opens the files of earlier versions, which took equal strings as different ones', async () => {
    await using server = new ServerProcess();
    const collation = { locale: 'de', strength: 1 };
    const outdated = { locale: 'en', strength: 2, caseLevel: true };
    const indexes = [
      { v: 2, key: { text: 1 }, name: 'text_1', unique: true, collation },
      { v: 2, key: { _id: 1, text: 1 }, name: 'outdated', collation: outdated },
    ];
    const batch = new BatchWriter();
    batch.add(
      changeKind.putCollection,
      1,
      0,
      serialize({ database: 'd', name: 'rows', options: {}, indexes }),
    );
    batch.add(changeKind.putDocument, 1, 1, serialize({ _id: 1, text: 'strasse' }));
    batch.add(changeKind.putDocument, 1, 2, serialize({ _id: 2, text: 'straße' }));
    const file = new Database(server.file);
    file.commit(batch.take());
    file.close();
    await server.start();
    await using client = await MongoClient.connect(server.url);
    const rows = client.db('d').collection<Row>('rows');
    expect(idsOf(await rows.find({ text: 'STRASSE' }, { collation }).toArray())).toEqual([1, 2]);
    await expect(rows.insertOne({ _id: 3, text: 'Strasse' })).rejects.toMatchObject({ code: 11000 });
    expect((await rows.deleteOne({ _id: 2 })).deletedCount).toBe(1);
  });
});
