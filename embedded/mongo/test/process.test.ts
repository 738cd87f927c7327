import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Long, MongoClient } from 'mongodb';
import { expect, it } from 'vitest';
import { runToEnd, ServerProcess } from './support/serverProcess.ts';

it('refuses a second server on the same file with exit code 2', async () => {
  await using server = await ServerProcess.start();
  const { code, stderr } = await runToEnd(['--file', server.file, '--port', '0']);
  expect(code).toBe(2);
  expect(stderr).toContain(`${server.file} is in use`);
});

it('refuses hosts that other machines can reach', async () => {
  await using server = await ServerProcess.start();
  const { code, stderr } = await runToEnd(['--file', `${server.file}2`, '--port', '0', '--host', '0.0.0.0']);
  expect(code).toBe(1);
  expect(stderr).toContain('only listens on loopback, not on 0.0.0.0');
  expect(existsSync(`${server.file}2`)).toBe(false);
});

it('ends with its stdin when asked to, after writing everything', async () => {
  await using server = await ServerProcess.start();
  const { running } = server;
  const exited = once(running, 'exit');
  running.stdin?.end();
  const [code] = await exited;
  expect(code).toBe(0);
  expect(existsSync(`${server.file}-open`)).toBe(false);
});

it('keeps documents, indexes and types over a clean restart, and the driver finds it again', async () => {
  await using server = await ServerProcess.start();
  await using client = await MongoClient.connect(server.url, { useBigInt64: true });
  const rows = client.db('p').collection<{ _id: number; k?: number; big?: Long }>('rows');
  await rows.createIndex({ k: 1 }, { unique: true, sparse: true });
  await rows.insertMany([
    { _id: 1, k: 1 },
    { _id: 2, big: Long.fromString('9007199254740993') },
  ]);
  expect(await server.kill('SIGTERM')).toBe(0);
  await server.start();
  expect(await rows.find().sort({ _id: 1 }).toArray()).toEqual([
    { _id: 1, k: 1 },
    { _id: 2, big: 9007199254740993n },
  ]);
  await expect(rows.insertOne({ _id: 3, k: 1 })).rejects.toMatchObject({ code: 11000 });
});
