import { randomBytes } from 'node:crypto';
import { Binary, type Document, Long } from 'bson';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LossyProxy, RawClient } from './support/rawClient.ts';
import { ServerProcess } from './support/serverProcess.ts';

let server: ServerProcess;
let reader: MongoClient;

beforeAll(async () => {
  server = await ServerProcess.start();
  reader = await MongoClient.connect(server.url);
});

afterAll(async () => {
  await reader.close();
  await server[Symbol.asyncDispose]();
});

function session(): { lsid: Document } {
  return { lsid: { id: new Binary(randomBytes(16), Binary.SUBTYPE_UUID) } };
}

function increment(collection: string, extra: Document): Document {
  return {
    update: collection,
    updates: [{ q: { _id: 1 }, u: { $inc: { n: 1 } }, upsert: true }],
    $db: 'retries',
    ...extra,
  };
}

async function read(collection: string): Promise<unknown> {
  return (await reader.db('retries').collection<{ _id: number; n: number }>(collection).findOne({ _id: 1 }))
    ?.n;
}

it('applies a numbered write once and repeats its reply', async () => {
  using client = await RawClient.connect(server.port);
  const command = increment('twice', { ...session(), txnNumber: Long.fromNumber(1) });
  const first = await client.command(command);
  const second = await client.command(command);
  expect(second).toEqual(first);
  expect(await read('twice')).toBe(1);
  await client.command({ ...command, txnNumber: Long.fromNumber(2) });
  expect(await read('twice')).toBe(2);
  const old = await client.command(command);
  expect(old).toMatchObject({ ok: 0, code: 225, codeName: 'TransactionTooOld' });
});

it('does not open an aborted transaction anew when its first command arrives late', async () => {
  using client = await RawClient.connect(server.port);
  const numbered = session();
  await client.command(increment('late', { ...numbered, txnNumber: Long.fromNumber(1) }));
  const transaction = { ...numbered, txnNumber: Long.fromNumber(2), autocommit: false };
  const begin = increment('late', { ...transaction, startTransaction: true });
  expect(await client.command(begin)).toMatchObject({ ok: 1, n: 1 });
  const abort = { abortTransaction: 1, $db: 'admin', ...transaction };
  expect(await client.command(abort)).toMatchObject({ ok: 1 });
  expect(await client.command(begin)).toMatchObject({ ok: 0, code: 225 });
  // nothing holds the document
  const free = await client.command(increment('late', { maxTimeMS: 5000 }));
  expect(free).toMatchObject({ ok: 1, n: 1 });
  expect(await read('late')).toBe(2);
});

it('applies a write once when its copy arrives on another connection at the same time', async () => {
  using first = await RawClient.connect(server.port);
  using second = await RawClient.connect(server.port);
  const command = increment('parallel', { ...session(), txnNumber: Long.fromNumber(1) });
  await Promise.all([first.command(command), second.command(command)]);
  expect(await read('parallel')).toBe(1);
});

it('repeats the reply of findAndModify', async () => {
  using client = await RawClient.connect(server.port);
  const command = {
    findAndModify: 'found',
    query: { _id: 1 },
    update: { $inc: { n: 1 } },
    upsert: true,
    new: true,
    $db: 'retries',
    ...session(),
    txnNumber: Long.fromNumber(7),
  };
  const replies = [await client.command(command), await client.command(command)];
  expect(replies.map(({ value }) => value)).toEqual([
    { _id: 1, n: 1 },
    { _id: 1, n: 1 },
  ]);
});

it('remembers a write across kill -9', async () => {
  const command = increment('killed', { ...session(), txnNumber: Long.fromNumber(3) });
  {
    using client = await RawClient.connect(server.port);
    expect(await client.command(command)).toMatchObject({ ok: 1, n: 1 });
  }
  await server.kill('SIGKILL');
  await server.start();
  using client = await RawClient.connect(server.port);
  expect(await client.command(command)).toMatchObject({ ok: 1, n: 1, upserted: [{ index: 0, _id: 1 }] });
  expect(await read('killed')).toBe(1);
});

it('remembers a commit across kill -9', async () => {
  const ids = session();
  const transaction = { ...ids, txnNumber: Long.fromNumber(1), autocommit: false };
  const commit = { commitTransaction: 1, $db: 'admin', ...transaction };
  {
    using client = await RawClient.connect(server.port);
    await client.command(increment('commits', { ...transaction, startTransaction: true }));
    expect(await client.command(commit)).toMatchObject({ ok: 1 });
  }
  await server.kill('SIGKILL');
  await server.start();
  using client = await RawClient.connect(server.port);
  expect(await client.command(commit)).toMatchObject({ ok: 1 });
  expect(await client.command({ ...commit, txnNumber: Long.fromNumber(2) })).toMatchObject({
    ok: 0,
    code: 251,
  });
  expect(await read('commits')).toBe(1);
});

it("lets the driver's own retry after a lost reply count once", async () => {
  using proxy = await LossyProxy.start(() => server.port);
  const client = await MongoClient.connect(`mongodb://127.0.0.1:${proxy.port}/?directConnection=true`, {
    retryWrites: true,
  });
  try {
    const counters = client.db('retries').collection<{ _id: number; n: number }>('lost');
    for (let round = 1; round <= 5; round++) {
      proxy.dropReplyTo('marker');
      await counters.bulkWrite([
        {
          updateOne: {
            filter: { _id: 1 },
            update: { $inc: { n: 1 }, $set: { marker: round } },
            upsert: true,
          },
        },
      ]);
      expect(await read('lost')).toBe(round);
    }
    expect(proxy.dropped).toBe(5);
  } finally {
    await client.close();
  }
});

it('continues a command that waited for a transaction where it was, when the server was killed meanwhile', async () => {
  using holder = await RawClient.connect(server.port);
  await holder.command({
    insert: 'partial',
    documents: [
      { _id: 1, n: 0 },
      { _id: 2, n: 0 },
    ],
    $db: 'retries',
  });
  const open = { ...session(), txnNumber: Long.fromNumber(1), autocommit: false, startTransaction: true };
  await holder.command({
    update: 'partial',
    updates: [{ q: { _id: 2 }, u: { $inc: { n: 100 } } }],
    $db: 'retries',
    ...open,
  });
  const command = {
    update: 'partial',
    updates: [1, 2].map((id) => ({ q: { _id: id }, u: { $inc: { n: 1 } } })),
    $db: 'retries',
    ...session(),
    txnNumber: Long.fromNumber(1),
  };
  using waiting = await RawClient.connect(server.port);
  void waiting.command(command);
  // the first statement becomes visible, and is on disk when a later write is acknowledged
  await expect.poll(() => read('partial')).toBe(1);
  await holder.command({ insert: 'other', documents: [{ a: 1 }], $db: 'retries' });
  await server.kill('SIGKILL');
  await server.start();
  using client = await RawClient.connect(server.port);
  expect(await client.command(command)).toMatchObject({ ok: 1, n: 2, nModified: 2 });
  const { cursor } = await client.command({ find: 'partial', filter: {}, $db: 'retries' });
  expect(cursor.firstBatch).toEqual([
    { _id: 1, n: 1 },
    { _id: 2, n: 1 },
  ]);
});
