import { MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { rejection } from './support/database.ts';
import { ServerProcess } from './support/serverProcess.ts';

describe('a server with a small heap', () => {
  it('refuses small documents before the heap is full, and answers and deletes', async () => {
    await using server = await ServerProcess.start(['--max-old-space-size=64']);
    await using client = await MongoClient.connect(server.url, { retryWrites: false });
    const rows = client.db('d').collection<{ n: number }>('rows');
    for (const field of ['a', 'b', 'c', 'd', 'e', 'f']) await rows.createIndex({ [field]: 1, n: 1 });
    let inserted = 0;
    const refusal = await rejection(
      (async () => {
        for (;;) {
          await rows.insertMany(Array.from({ length: 200 }, (_unused, i) => ({ n: inserted + i })));
          inserted += 200;
        }
      })(),
    );
    expect(refusal).toMatchObject({ code: 14031 });
    expect(inserted).toBeGreaterThan(1000);
    expect(await rows.countDocuments({ n: { $lt: 1000 } })).toBe(1000);
    expect((await rows.deleteMany({ n: { $lt: 1000 } })).deletedCount).toBe(1000);
    expect(server.running.exitCode).toBeNull();
  }, 60_000);

  it('goes through more parsed documents than the heap holds', async () => {
    await using server = await ServerProcess.start(['--max-old-space-size=100']);
    await using client = await MongoClient.connect(server.url, { retryWrites: false });
    const rows = client.db('d').collection<{ n: number; list: string[] }>('rows');
    const list = Array.from({ length: 5000 }, (_unused, i) => `text ${i}`);
    for (let n = 0; n < 800; n += 20)
      await rows.insertMany(Array.from({ length: 20 }, (_unused, i) => ({ n: n + i, list })));
    expect(await rows.countDocuments({ list: 'text 7' })).toBe(800);
    expect((await rows.deleteMany({ n: { $lt: 700 } })).deletedCount).toBe(700);
    await rows.insertOne({ n: 1, list });
    expect(server.running.exitCode).toBeNull();
  }, 60_000);
});
