import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type ObjectStore, type StoreBehaviour, startObjectStore } from '../../sandbox/objectStore.ts';
import { readObject } from '../../src/platforms/storage/readObject.ts';
import type { S3Storage } from '../../src/platforms/storage/s3.ts';
import { StorageFullError, StorageUnavailableError } from '../../src/platforms/storage/storageErrors.ts';
import { isOutage, ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { openFilesBelow } from '../support/openFilesBelow.ts';
import { bucketOf } from '../support/sandboxBucket.ts';
import { storeFile } from '../support/storeFile.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { uniqueName } from '../support/testSystem.ts';
import { testsOfEveryStorage } from './storageConformance.ts';

let store: ObjectStore;
let storage: S3Storage;

const BYTES = Buffer.alloc(200_000, 'bytes of an icon');

beforeAll(async () => {
  store = await startObjectStore();
  storage = bucketOf(store);
});
beforeEach(() => store.behave(() => undefined));
afterAll(() => store.close());

describe('as every storage', () => {
  testsOfEveryStorage(() => storage);
});

test('an object is kept under its path, with its content type', async () => {
  const path = `tools/${uniqueName('icon')}.png`;
  await storage.put(path, BYTES, 'image/png');
  expect(store.objects.get(path)?.contentType).toBe('image/png');
  expect(storage.locationOf(path)).toBe(`s3://${store.bucket}/${path}`);
});

test('a server that is overloaded for a moment is asked again', async () => {
  const path = `${uniqueName('icon')}.png`;
  let refused = 0;
  store.behave(() => (refused++ === 0 ? { kind: 'refuse', status: 503, code: 'SlowDown' } : undefined));
  await storage.put(path, BYTES, 'image/png');
  store.behave(() => undefined);
  expect(await readObject(storage, path)).toEqual(BYTES);
});

const TROUBLE: readonly [string, StoreBehaviour][] = [
  ['503 for ever', { kind: 'refuse', status: 503, code: 'SlowDown' }],
  ['500 for ever', { kind: 'refuse', status: 500, code: 'InternalError' }],
  ['a refusal', { kind: 'refuse', status: 403, code: 'AccessDenied' }],
  ['a server that never answers', { kind: 'hang' }],
  ['a server that hangs up', { kind: 'drop' }],
];

test.each(TROUBLE)('%s is an outage, after three attempts at most', async (_what, behaviour) => {
  const impatient = bucketOf(store, { timeoutMilliseconds: 100 });
  const path = `${uniqueName('icon')}.png`;
  store.behave(() => behaviour);
  const before = store.received.length;
  for (const call of [
    () => impatient.stat(path),
    () => impatient.read(path),
    () => impatient.put(path, BYTES, 'image/png'),
    () => impatient.remove(path),
    () => impatient.removeFolder(path),
  ]) {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(isOutage(error)).toBe(true);
  }
  expect(store.received.length - before).toBeLessThanOrEqual(5 * 3);
  expect(store.objects.has(path)).toBe(false);
});

test.each([{ kind: 'truncate' }, { kind: 'stall' }] as const)(
  'an answer that breaks off ($kind) is an outage, never a shorter file',
  async (behaviour) => {
    const path = `${uniqueName('icon')}.png`;
    await storage.put(path, BYTES, 'image/png');
    store.behave(() => behaviour);
    await expect(readObject(bucketOf(store, { timeoutMilliseconds: 200 }), path)).rejects.toThrow(
      StorageUnavailableError,
    );
  },
);

test('a bucket without room says that it is full', async () => {
  store.behave(({ method }) =>
    method === 'PUT' ? { kind: 'refuse', status: 507, code: 'XMinioStorageFull' } : undefined,
  );
  const error = await storage
    .put(`${uniqueName('x')}.png`, BYTES, 'image/png')
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StorageFullError);
  expect(isOutage(error)).toBe(true);
});

test.each([
  ['wrong keys', { credentials: { accessKeyId: 'SANDBOXKEY', secretAccessKey: 'not-the-secret' } }],
  ['no such server', { endpoint: 'http://127.0.0.1:1' }],
])('%s is an outage whose text gives nothing away', async (_what, wrong) => {
  const error = await bucketOf(store, wrong)
    .put(`${uniqueName('x')}.png`, BYTES, 'image/png')
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StorageUnavailableError);
  expect(String(error)).not.toMatch(/secret|SANDBOXKEY|127\.0\.0\.1|bucket/);
});

async function archiveFile(bytes: Buffer): Promise<string> {
  const file = join(await temporaryFolder(), 'archive.zip');
  await writeFile(file, bytes);
  return file;
}

test('a file is sent again when the server is overloaded for a moment', async () => {
  const path = `${uniqueName('archive')}.zip`;
  const file = await archiveFile(BYTES);
  let refused = 0;
  store.behave(() => (refused++ < 2 ? { kind: 'refuse', status: 503, code: 'SlowDown' } : undefined));
  expect(await storeFile(storage, path, file)).toBe('stored');
  expect(store.objects.get(path)?.bytes.equals(BYTES)).toBe(true);
  expect(await openFilesBelow(file)).toBe(0);
});

test.each<[string, StoreBehaviour, number]>([
  ['503 for ever', { kind: 'refuse', status: 503, code: 'SlowDown' }, 3],
  ['a server that hangs up', { kind: 'drop' }, 3],
  ['a server that never answers', { kind: 'hang' }, 3],
  ['a refusal', { kind: 'refuse', status: 403, code: 'AccessDenied' }, 1],
  ['a bucket without room', { kind: 'refuse', status: 507, code: 'XMinioStorageFull' }, 1],
])('after %s a file is open no more', async (_what, behaviour, attempts) => {
  const bucket = bucketOf(store, behaviour.kind === 'hang' ? { timeoutMilliseconds: 100 } : {});
  const file = await archiveFile(BYTES);
  store.behave(() => behaviour);
  const before = store.received.length;
  await expect(storeFile(bucket, `${uniqueName('archive')}.zip`, file)).rejects.toThrow(
    ServiceUnavailableError,
  );
  expect(store.received.length - before).toBeLessThanOrEqual(attempts);
  expect(await openFilesBelow(file)).toBe(0);
});

test('a file is open no more when its place is taken, or no server is there', async () => {
  const path = `${uniqueName('archive')}.zip`;
  const file = await archiveFile(BYTES);
  expect(await storeFile(storage, path, file)).toBe('stored');
  expect(await storeFile(storage, path, file)).toBe('was-there');
  const nowhere = bucketOf(store, { endpoint: 'http://127.0.0.1:1' });
  await expect(storeFile(nowhere, path, file)).rejects.toThrow(StorageUnavailableError);
  expect(await openFilesBelow(file)).toBe(0);
});

test('a server that refuses before it has read a file does not wait for the rest', async () => {
  const file = await archiveFile(Buffer.alloc(1_500_000));
  const server = createServer({ keepAliveTimeout: 0 });
  const over = new Promise<void>((resolve) => {
    server.once('request', (request, response) => {
      request.resume().once('end', resolve);
      request.socket.once('close', () => resolve());
      response.writeHead(403).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('The server does not listen on a port');
  const elsewhere = bucketOf(store, {
    endpoint: `http://127.0.0.1:${address.port}`,
    timeoutMilliseconds: 60_000,
  });
  await expect(storeFile(elsewhere, 'archive.zip', file)).rejects.toThrow(StorageUnavailableError);
  expect(await openFilesBelow(file)).toBe(0);
  await over;
});

test('a missing bucket is an outage, and nothing in it is taken for gone', async () => {
  const elsewhere = bucketOf(store, { bucket: 'no-such-bucket' });
  for (const call of [
    () => elsewhere.stat('x.png'),
    () => elsewhere.read('x.png'),
    () => elsewhere.put('x.png', BYTES, 'image/png'),
    () => elsewhere.remove('x.png'),
    () => elsewhere.removeFolder('x'),
  ]) {
    await expect(call()).rejects.toThrow(StorageUnavailableError);
  }
});

test('whether the bucket is there is not asked for each file that is not', async () => {
  const fresh = bucketOf(store);
  const before = store.received.length;
  for (let file = 0; file < 10; file++) expect(await fresh.stat(`${uniqueName('x')}.png`)).toBeUndefined();
  expect(store.received.slice(before).filter(({ key }) => key === '')).toHaveLength(1);
});

test('storing needs no right to see what is there, and is one request', async () => {
  // As Amazon answers about a missing object to whoever may not list the bucket.
  store.behave(({ method, key }) =>
    method === 'HEAD' && !store.objects.has(key)
      ? { kind: 'refuse', status: 403, code: 'AccessDenied' }
      : undefined,
  );
  const path = `${uniqueName('icon')}.png`;
  const before = store.received.length;
  expect(await storage.put(path, BYTES, 'image/png')).toBe('stored');
  expect(store.received.length - before).toBe(1);
  expect(await storage.put(path, Buffer.from('other'), 'image/png')).toBe('was-there');
  expect(await readObject(storage, path)).toEqual(BYTES);
});

/** Reads that nobody goes on with, as of clients that take nothing. */
async function stalledReads(of: S3Storage, path: string, number: number): Promise<Readable[]> {
  const streams = await Promise.all(Array.from({ length: number }, () => of.read(path)));
  return streams.flatMap((stream) => stream ?? []);
}

test('slow readers of icons do not keep others from the store', async () => {
  const shared = bucketOf(store, { timeoutMilliseconds: 60_000 });
  const path = `${uniqueName('icon')}.png`;
  const bytes = randomBytes(1_000_000);
  await shared.put(path, bytes, 'image/png');
  const slow = await stalledReads(shared, path, 60);
  expect(slow).toHaveLength(60);
  expect(await shared.stat(path)).toMatchObject({ size: bytes.length });
  expect(await readObject(shared, path)).toEqual(bytes);
  // What they were sent is whole all the same.
  expect(await buffer(at(slow, 0))).toEqual(bytes);
  for (const stream of slow) stream.destroy();
  await Promise.all(slow.map((stream) => finished(stream).catch(() => undefined)));
  for (const stream of await stalledReads(shared, path, 60)) stream.destroy();
});

test('slow readers of large files have half of the connections at most', async () => {
  const shared = bucketOf(store, { timeoutMilliseconds: 60_000 });
  const path = `${uniqueName('archive')}.zip`;
  await shared.put(path, Buffer.alloc(9_000_000), 'application/zip');
  const slow = await stalledReads(shared, path, 25);
  expect(slow).toHaveLength(25);
  await expect(shared.read(path)).rejects.toThrow(StorageUnavailableError);
  expect(await shared.stat(path)).toMatchObject({ size: 9_000_000 });
  at(slow, 0).destroy();
  await finished(at(slow, 0)).catch(() => undefined);
  for (const stream of [...slow, ...(await stalledReads(shared, path, 1))]) stream.destroy();
});

function at(streams: readonly Readable[], place: number): Readable {
  const stream = streams[place];
  if (!stream) throw new Error(`There is no stream ${place}`);
  return stream;
}
