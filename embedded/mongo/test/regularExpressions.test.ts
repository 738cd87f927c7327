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

describe('a regular expression of PCRE', () => {
  it.each<[pattern: string, options: string, matching: string[], others: string[]]>([
    ['\\Aa', 'm', ['ab'], ['b\na']],
    ['a\\z', '', ['ba'], ['a\n', 'ab']],
    ['a\\Z', '', ['ba', 'a\n'], ['ab']],
    ['^a$', '', ['a', 'a\n'], ['a\n\n', 'ab', 'b\na']],
    ['^a$', 'm', ['a', 'b\na\nc'], ['ab', 'b\ra\rc']],
    ['a.b', '', ['a\rb', 'a\u2028b'], ['a\nb']],
    ['a.b', 's', ['a\nb'], ['ab']],
    ['[[:digit:]]+x', '', ['12x'], ['x', 'dx']],
    ['^[[:^alpha:]_]+$', '', ['1_2', '_é'], ['a1']],
    ['^[]a]+$', '', ['a]'], ['b']],
    ['^[^]a]$', '', ['b'], [']', 'a']],
    ['^[\\w-.]+$', '', ['a-.b'], ['a b']],
    ['^[a\\]\\-\\/b-d]+$', '', ['a]-/c'], ['e', '\\']],
    ['\\Qa b\\E', '', ['xa b'], ['ab']],
    ['\\Q(a.b\\E$', '', ['(a.b'], ['(axb']],
    ['a\\hb', '', ['a b', 'a\u00a0b'], ['a\nb', 'ahb']],
    ['a\\Rb', '', ['a\r\nb', 'a\nb', 'a\u2028b'], ['aRb', 'a b']],
    ['a\\Vb', '', ['axb'], ['a\nb']],
    ['^\\s$', '', [' ', '\t'], ['\u00a0', 's']],
    ['^\\x{1F600}\\e\\x41$', '', ['\u{1f600}\u001bA'], ['x']],
    ['^\\101[\\1]$', '', ['A\u0001'], ['A1']],
    ['^\\pL\\p{^L}\\p{Greek}$', '', ['é1α'], ['11α', 'é1a']],
    ['(?P<year>\\d{4})-(?P=year)', '', ['2024-2024'], ['2024-2025']],
    ['(a)\\g{1}\\g{-1}2', '', ['aaa2'], ['aa2']],
    ['(?i)ABC', '', ['abc'], ['ab']],
    ['a(?i:B)c', '', ['abc', 'aBc'], ['ABc']],
    ['(?s)(?m)^b.c$', '', ['a\nb\nc'], ['ab\nc']],
    ['a(?#note)b', '', ['ab'], ['a(b']],
    ['a b # note\n c', 'x', ['abc'], ['a b c']],
    ['a{,2}}]', '', ['a{,2}}]'], ['aa']],
    ['\\"\\ \\<\\-\\_\\@', '', ['" <-_@'], ['"']],
    ['a|^b$', '', ['a', 'b\n'], ['xb']],
  ])('/%s/%s', async (pattern, options, matching, others) => {
    const rows = test.database.collection<Row>('patterns');
    await rows.deleteMany({});
    await rows.insertMany([...matching, ...others].map((text, _id) => ({ _id, text })));
    const found = async (filter: Document) =>
      (await rows.find(filter).sort({ _id: 1 }).toArray()).map(({ text }) => text);
    expect(await found({ text: { $regex: pattern, $options: options } })).toEqual(matching);
    const expression = { $regexMatch: { input: '$text', regex: pattern, options } };
    expect(await found({ $expr: expression })).toEqual(matching);
  });

  it.each<[string, number]>([
    ['a\\jb', 51091],
    ['a(b', 51091],
    ['[a', 51091],
    ['[[:bogus:]]', 51091],
    ['(a)\\2', 51091],
    ['a\\', 51091],
    ['a++', 115],
    ['(?>a)', 115],
    ['a(?i)b', 115],
    ['(?R)', 115],
    ['a\\Kb', 115],
    ['\\X', 115],
    ['(*ANYCRLF)a', 115],
  ])('/%s/ is refused, not read as something else', async (pattern, code) => {
    const rows = test.database.collection<Row>('refusedPatterns');
    await rows.insertOne({ _id: 1, text: 'a' }).catch(() => undefined);
    await expect(rows.find({ text: { $regex: pattern } }).toArray()).rejects.toMatchObject({ code });
    const expression = { $regexMatch: { input: 'a', regex: pattern } };
    await expect(rows.find({ $expr: expression }).toArray()).rejects.toMatchObject({ code });
  });
});

describe('a data file of an earlier version', () => {
  it('is opened with the patterns that it took', async () => {
    await using server = new ServerProcess();
    const partialFilterExpression = { a: { $regex: 'x\\jy' }, b: { $all: [{ $gt: 1 }] } };
    const index = { v: 2, key: { n: 1 }, name: 'n_1', unique: true, partialFilterExpression };
    const batch = new BatchWriter();
    const collections = [
      { database: 'd', name: 'indexed', options: {}, indexes: [index] },
      { database: 'd', name: 'checked', options: { validator: { a: { $regex: 'a\\jb' } } }, indexes: [] },
    ];
    for (const [position, metadata] of collections.entries()) {
      batch.add(changeKind.putCollection, position + 1, 0, serialize(metadata));
      batch.add(changeKind.putDocument, position + 1, 1, serialize({ _id: 1, n: 1, a: 'xjy', b: 2 }));
    }
    const file = new Database(server.file);
    file.commit(batch.take());
    file.close();
    await server.start();
    await using client = await MongoClient.connect(server.url);
    const database = client.db('d');
    const indexed = database.collection<Row>('indexed');
    expect(await indexed.countDocuments({ n: 1 })).toBe(1);
    await expect(indexed.insertOne({ _id: 2, n: 1, a: 'xjy', b: 3 })).rejects.toMatchObject({ code: 11000 });
    const checked = database.collection<Row>('checked');
    expect(await checked.countDocuments({ n: 1 })).toBe(1);
    await expect(checked.insertOne({ _id: 2, a: 'ajb' })).rejects.toMatchObject({ code: 51091 });
    await database.command({ collMod: 'checked', validator: { a: { $regex: 'ajb' } } });
    await checked.insertOne({ _id: 2, a: 'ajb' });
  });
});
