import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { EmbeddedServerError } from '../../embedded/embeddedServer.ts';
import { MONGO_FILE, type MongoOptions, startMongo } from '../../embedded/mongo.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';

async function start(options: MongoOptions) {
  const server = await startMongo(options);
  onTestFinished(() => server.stop());
  const client = await new MongoClient(server.url).connect();
  onTestFinished(() => client.close());
  return { server, notes: client.db().collection<{ _id: string }>('notes') };
}

test('keeps its data over a stop and over a kill, on the same port', async () => {
  const dir = await temporaryFolder();
  const first = await start({ dir });
  await first.notes.insertOne({ _id: 'before the stop' });
  await first.server.stop();

  const second = await start({ dir, port: first.server.port });
  await second.notes.insertOne({ _id: 'before the kill' });
  process.kill(second.server.pid, 'SIGKILL');
  await second.server.exited;

  const third = await start({ dir, port: first.server.port });
  expect(await third.notes.countDocuments()).toBe(2);
});

test('is a replica set, so that transactions work', async () => {
  const { server, notes } = await start({ dir: await temporaryFolder() });
  const client = await new MongoClient(server.url).connect();
  onTestFinished(() => client.close());
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await client.db().collection<{ _id: string }>('notes').insertOne({ _id: 'in it' }, { session });
    }),
  );
  expect(await notes.countDocuments()).toBe(1);
});

test('a damaged file is told, with what the server says about it', async () => {
  const dir = await temporaryFolder();
  const first = await start({ dir });
  await first.notes.insertOne({ _id: 'note' });
  await first.server.stop();
  if (!(await readdir(dir)).includes(MONGO_FILE)) return; // Written by a mongod from PATH.
  const file = join(dir, MONGO_FILE);
  await writeFile(file, (await readFile(file)).fill(0x5a, 0, 200));

  const failure = await startMongo({ dir }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EmbeddedServerError);
  expect(String(failure)).toMatch(/damaged/);
  expect(String(failure)).toContain('npm run data -- restore');
});
