import { once } from 'node:events';
import { connect as connectSocket, createServer } from 'node:net';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import mongoose, { type Connection } from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { inTransaction } from '../../src/models/transaction.ts';
import { connectMongo, type MongoRole } from '../../src/runtime/mongo.ts';
import { isOutage, withRedis } from '../../src/runtime/outage.ts';
import { untilStoresAnswer } from '../../src/runtime/untilStoresAnswer.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const quiet = pino({ level: 'silent' });
const redis = new Redis(String(process.env.REDIS_URL), { maxRetriesPerRequest: null });
const connections: Connection[] = [];

beforeAll(() => waitFor('Redis', async () => (await redis.ping()) || undefined));
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  redis.disconnect();
});

test.each<MongoRole>(['worker', 'web'])(
  'whatever a %s process does while MongoDB hangs or is dead is an outage, and passes',
  async (role) => {
    const dir = await temporaryFolder();
    let server = await startMongo({ dir });
    const connection = await connect(server, role);
    const operations = operationsOn(connection);
    for (const run of Object.values(operations)) await run();

    process.kill(server.pid, 'SIGSTOP');
    await expectOutages(operations);
    const asking = new AbortController();
    const asked = untilStoresAnswer(redis, connection, asking.signal);
    asking.abort(new Error('asked long enough'));
    await expect(asked).rejects.toThrow('asked long enough');
    process.kill(server.pid, 'SIGCONT');
    await untilStoresAnswer(redis, connection, AbortSignal.timeout(60_000));
    await operations.transaction();

    const inFlight = expectOutages(operations, { orDone: true });
    process.kill(server.pid, 'SIGKILL');
    await inFlight;
    await server.exited;
    await expectOutages(operations);
    server = await startMongo({ dir, port: server.port });
    await untilStoresAnswer(redis, connection, AbortSignal.timeout(60_000));
    await operations.transaction();
    await server.stop();
  },
);

test('what the data is at fault for is no outage', async () => {
  const server = await startMongo({ dir: await temporaryFolder() });
  const connection = await connect(server, 'worker');
  const things = connection.collection('things');
  const document = { _id: new mongoose.Types.ObjectId() };
  await things.insertOne(document);
  const faults = [
    () => things.insertOne(document),
    () => things.insertMany([document]),
    () => things.find({ $bad: 1 }).toArray(),
  ];
  for (const fault of faults) {
    const error: unknown = await fault().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(isOutage(error)).toBe(false);
  }
  expect(isOutage(new TypeError('a mistake of ours'))).toBe(false);

  const result = await things.bulkWrite([{ insertOne: { document: {} } }]);
  const bulkError = (cause: Error) => new mongoose.mongo.MongoBulkWriteError(cause, result);
  // As the driver makes it when the connection breaks while a large write is on its way.
  const broken = Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET', syscall: 'write' });
  expect(isOutage(bulkError(broken))).toBe(true);
  expect(isOutage(bulkError(new TypeError('a mistake of ours')))).toBe(false);
  await connection.close();
  await server.stop();
});

test('a MongoDB that has no room left is away: what waits for it is done when there is room', () => {
  // As the embedded server answers when it holds all that it may, and others when their disk is full.
  const full = new mongoose.mongo.MongoServerError({ errmsg: 'no room', code: 14_031 });
  expect(isOutage(full)).toBe(true);
});

test('what is a defect of the caller, or an answer of a script of BullMQ, is not named an outage of Redis', async () => {
  const queue = new Queue(uniqueName('outage'), { connection: redis });
  const job = await queue.add('one', {});
  await job.remove();
  const defects = [async () => JSON.parse('{'), async () => Buffer.alloc(-1), () => job.updateData({})];
  for (const defect of defects) {
    const error: unknown = await withRedis(defect).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(isOutage(error), String(error)).toBe(false);
  }
  await queue.obliterate();
  await queue.close();
});

test('a closed client and one that may not wait are outages of Redis', async () => {
  const closed = new Redis(String(process.env.REDIS_URL));
  closed.disconnect();
  const hasty = new Redis(1, '127.0.0.1', { enableOfflineQueue: false, retryStrategy: () => null });
  hasty.on('error', () => undefined);
  for (const client of [closed, hasty]) {
    const error: unknown = await withRedis(() => client.ping()).catch((thrown: unknown) => thrown);
    expect(isOutage(error), String(error)).toBe(true);
  }
});

test('a write into a connection that the other side has closed is an outage', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port');
  const socket = connectSocket({ port: address.port, host: '127.0.0.1' }).resume();
  const broken = once(socket, 'error');
  // As the driver may: it writes a command between the end of the connection and its close.
  socket.once('finish', () => socket.write('a command'));
  const [error] = await broken;
  expect(error).toMatchObject({ code: 'EPIPE' });
  expect(isOutage(error)).toBe(true);
  server.close();
});

test('transactions of several processes on the same documents all get through', async () => {
  const server = await startMongo({ dir: await temporaryFolder() });
  const processes = await Promise.all(Array.from({ length: 3 }, () => connect(server, 'worker')));
  let tries = 0;
  await Promise.all(
    processes.map(async (connection) => {
      for (let round = 0; round < 20; round += 1) {
        await inTransaction(connection, async (session) => {
          tries += 1;
          await connection.collection('hot').bulkWrite(hotUpdates(), { session, ordered: false });
        });
      }
    }),
  );
  const sums = await processes[0]?.collection('hot').find().toArray();
  expect(sums?.map((sum) => sum.n)).toEqual(Array.from({ length: 10 }, () => 60));
  console.log(`60 transactions on 10 hot documents from 3 connections took ${tries} tries`);
  await Promise.all(processes.map((connection) => connection.close()));
  await server.stop();
});

function hotUpdates() {
  return Array.from({ length: 10 }, (_, number) => ({
    updateOne: { filter: { key: number }, update: { $inc: { n: 1 } }, upsert: true },
  }));
}

async function connect(server: EmbeddedServer, role: MongoRole): Promise<Connection> {
  const connection = connectMongo(server.url, role, quiet);
  connections.push(connection);
  await untilStoresAnswer(redis, connection, AbortSignal.timeout(60_000));
  for (const name of ['things', 'hot']) {
    await connection.createCollection(name).catch(() => undefined);
  }
  await connection.collection('hot').createIndex({ key: 1 }, { unique: true });
  return connection;
}

function operationsOn(connection: Connection) {
  const things = connection.collection('things');
  return {
    insert: () => things.insertOne({}),
    bulkWrite: () => things.bulkWrite([{ insertOne: { document: {} } }]),
    insertMany: () => things.insertMany([{}, {}]),
    find: () => things.find({}).toArray(),
    transaction: () => inTransaction(connection, (session) => things.insertMany([{}], { session })),
    bulkInTransaction: () =>
      inTransaction(connection, (session) =>
        things.bulkWrite([{ insertOne: { document: {} } }], { session }),
      ),
  };
}

async function expectOutages(
  operations: ReturnType<typeof operationsOn>,
  { orDone = false } = {},
): Promise<void> {
  await Promise.all(
    Object.entries(operations).map(async ([name, run]) => {
      const ended = await run().then(
        () => 'done' as const,
        (error: unknown) => error,
      );
      if (orDone && ended === 'done') return;
      expect(isOutage(ended), `${name}: ${ended}`).toBe(true);
    }),
  );
}
