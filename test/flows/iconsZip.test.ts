import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ArchiveKeeper } from '../../src/api/routes/icons/archiveKeeper.ts';
import { zipOf } from '../../src/api/routes/icons/zipStream.ts';
import { archiveFolder, archivePath } from '../../src/domain/icons/archivePath.ts';
import type { IconFile, IconImage } from '../../src/domain/icons/icon.ts';
import { cancelBatch, finishBatch, markSettled } from '../../src/models/iconBatches.ts';
import { recordFile } from '../../src/models/iconGenerations.ts';
import { concludeImage } from '../../src/models/iconImages.ts';
import { removeOld } from '../../src/models/iconSweeps.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import type { ObjectStorage } from '../../src/platforms/storage/objectStorage.ts';
import { StorageUnavailableError } from '../../src/platforms/storage/storageErrors.ts';
import { at, createdBatch, FAILURE, setBatch } from '../models/iconFixtures.ts';
import { createIconFilesApi, type IconFilesApi, storeBytes } from '../support/iconFilesApi.ts';
import { openSandboxBucket } from '../support/sandboxBucket.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { waitFor } from '../support/waitFor.ts';

const run = promisify(execFile);
const CATEGORIES = ['tools', 'garden tools', 'tools'];

let icons: IconFilesApi;

beforeAll(async () => {
  icons = await createIconFilesApi('icons-zip');
});
afterAll(() => icons.remove());

/** Somebody with an API key for icons. */
async function newCaller(): Promise<{ readonly key: string; readonly owner: string }> {
  const answer = await fetch(`${icons.api.url}/api/keys`, {
    method: 'POST',
    headers: { 'X-API-Key': icons.api.adminKey, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'zip', scopes: ['icons'] }),
  });
  const { key, key_id } = JSON.parse(await answer.text());
  return { key, owner: `api-key:${key_id}` };
}

const zipAs = (key: string, batchId: string, init: RequestInit = {}, url = icons.api.url) =>
  fetch(`${url}/api/icons/batch/${batchId}/zip`, { ...init, headers: { 'X-API-Key': key } });

/** A batch whose images succeeded, where a size is given: so many bytes each are stored. */
async function batchOf(
  owner: string,
  sizes: readonly (number | 'failed')[],
  storage: ObjectStorage = icons.storage,
) {
  const { connection } = icons.system;
  const categories = sizes.map((_, index) => CATEGORIES[index % CATEGORIES.length] ?? 'tools');
  const { batch_id, images } = await createdBatch(connection, { owner, categories, variations: 1 });
  const paths: string[] = [];
  for (const [index, size] of sizes.entries()) {
    const image = at(images, index);
    if (size === 'failed') {
      await concludeImage(connection, image, FAILURE);
      continue;
    }
    const path = await storeBytes(storage, Buffer.alloc(size, index + 1));
    paths.push(path);
    const folder = image.category.replaceAll(' ', '_');
    const file = { path, folder, size, created_at: Date.UTC(2026, 0, 5, 12) };
    await record(image, file);
    await concludeImage(connection, image, {
      status: 'succeeded',
      file,
      cached: false,
      generation_milliseconds: 1,
    });
  }
  return { batch_id, paths };
}

/** As the worker does that made it. */
function record(image: IconImage, file: IconFile): Promise<void> {
  const { content_key: key, image_id, category, style, color_scheme, model } = image;
  return recordFile(icons.system.connection, {
    key,
    image_id,
    call_id: undefined,
    tokens: null,
    file,
    metadata: { category, style, color_scheme, model },
    generation_milliseconds: 1,
  });
}

async function finishedBatch(owner: string, sizes: readonly (number | 'failed')[], storage?: ObjectStorage) {
  const batch = await batchOf(owner, sizes, storage);
  expect((await finishBatch(icons.system.connection, batch.batch_id, 1)).kind).toBe('finished');
  return batch;
}

test('the icons of a finished batch come in the order of the request, each under its own name', async () => {
  const { key, owner } = await newCaller();
  const { batch_id } = await finishedBatch(owner, [100, 'failed', 200_000, 1]);
  const answer = await zipAs(key, batch_id);
  expect(answer.status).toBe(200);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename="icons-${batch_id}.zip"`,
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
  });
  const files = unzipSync(new Uint8Array(await answer.arrayBuffer()));
  expect(Object.entries(files).map(([name, bytes]) => [name, bytes.length, bytes[0]])).toEqual([
    ['001_tools_modern.png', 100, 1],
    ['003_tools_modern.png', 200_000, 3],
    ['004_tools_modern.png', 1, 4],
  ]);
  const head = await zipAs(key, batch_id, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-type')]).toEqual([200, 'application/zip']);
});

test('only its owner gets it, and the operator', async () => {
  const [somebody, other] = [await newCaller(), await newCaller()];
  const { batch_id } = await finishedBatch(somebody.owner, [10]);
  expect((await zipAs(somebody.key, batch_id)).status).toBe(200);
  expect((await zipAs(icons.api.adminKey, batch_id)).status).toBe(200);
  const refused = await zipAs(other.key, batch_id);
  const unknown = await zipAs(other.key, 'no-such-batch');
  expect([refused.status, unknown.status]).toEqual([404, 404]);
  const [{ detail }, { detail: ofUnknown }] = [
    JSON.parse(await refused.text()),
    JSON.parse(await unknown.text()),
  ];
  expect(detail).toBe(ofUnknown);
});

test('in open mode it is everybody’s, but not that of people who said who they were', async () => {
  const server = await icons.serve(icons.storage, { ICONS_OPEN_MODE: '1' });
  const statusOf = async (owner: string) => {
    const { batch_id } = await finishedBatch(owner, [10]);
    return (await fetch(`${server.url}/api/icons/batch/${batch_id}/zip`)).status;
  };
  expect([await statusOf('dev-user'), await statusOf('account:1')]).toEqual([200, 404]);
});

test('a batch that is not finished is refused; a cancelled one gives what was done', async () => {
  const { connection } = icons.system;
  const { key, owner } = await newCaller();
  const { batch_id } = await batchOf(owner, [10]);
  const { batch_id: unfinished, images } = await createdBatch(connection, { owner, categories: ['a', 'b'] });
  expect((await zipAs(key, unfinished)).status).toBe(409);
  expect((await zipAs(key, batch_id)).status).toBe(409);

  const path = await storeBytes(icons.storage);
  const file = { path, folder: 'a', size: 1_000, created_at: Date.now() };
  await record(at(images, 0), file);
  await concludeImage(connection, at(images, 0), {
    status: 'succeeded',
    file,
    cached: true,
    generation_milliseconds: null,
  });
  await cancelBatch(connection, unfinished);
  const files = unzipSync(new Uint8Array(await (await zipAs(key, unfinished)).arrayBuffer()));
  expect(Object.keys(files)).toEqual(['001_a_modern.png']);
});

test('what was deleted since is left out; a batch without any icon has no archive', async () => {
  const { key, owner } = await newCaller();
  const { batch_id, paths } = await finishedBatch(owner, [10, 20]);
  await icons.storage.remove(paths[0] ?? '');
  const files = unzipSync(new Uint8Array(await (await zipAs(key, batch_id)).arrayBuffer()));
  expect(Object.keys(files)).toEqual(['002_garden_tools_modern.png']);
  const failed = await finishedBatch(owner, ['failed']);
  expect((await zipAs(key, failed.batch_id)).status).toBe(404);
});

test('it is made once and kept, until an icon of it is cleared', async () => {
  const { key, owner } = await newCaller();
  const { batch_id, paths } = await finishedBatch(owner, [100, 2_000]);
  const first = Buffer.from(await (await zipAs(key, batch_id)).arrayBuffer());
  // Only what was kept has them still.
  for (const path of paths) await icons.storage.remove(path);
  const second = await zipAs(key, batch_id);
  expect(Buffer.from(await second.arrayBuffer())).toEqual(first);
  expect(second.headers.get('content-disposition')).toBe(`attachment; filename="icons-${batch_id}.zip"`);
  expect(second.headers.get('cache-control')).toBe('private, no-cache');
  const etag = second.headers.get('etag') ?? '';
  const again = (headers: Record<string, string>) =>
    fetch(`${icons.api.url}/api/icons/batch/${batch_id}/zip`, { headers: { 'X-API-Key': key, ...headers } });
  expect((await again({ 'If-None-Match': etag })).status).toBe(304);
  const part = await again({ Range: 'bytes=10-19' });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(first.subarray(10, 20));

  await icons.system.connection.collection<{ _id: string }>('icon_files').deleteOne({ _id: paths[0] ?? '' });
  expect(unzipSync(new Uint8Array(await (await zipAs(key, batch_id)).arrayBuffer()))).toEqual({});
});

test('what lacks a file, or was not sent to its end, is not kept', async () => {
  const { key, owner } = await newCaller();
  const { batch_id, paths } = await finishedBatch(owner, [10, 20]);
  const [gone = ''] = paths;
  await icons.storage.remove(gone);
  expect(unzipSync(new Uint8Array(await (await zipAs(key, batch_id)).arrayBuffer()))).not.toEqual({});
  await icons.storage.put(gone, Buffer.alloc(10, 1));
  const whole = unzipSync(new Uint8Array(await (await zipAs(key, batch_id)).arrayBuffer()));
  expect(Object.keys(whole)).toHaveLength(2);

  const keeper = new ArchiveKeeper(icons.storage);
  const path = archivePath(batch_id, 'half');
  async function* pieces() {
    yield Buffer.from('one');
    yield Buffer.from('two');
  }
  const errors: unknown[] = [];
  const keep = () =>
    keeper.keep(pieces(), {
      path,
      folder: archiveFolder(batch_id),
      isWhole: () => true,
      isWanted: () => Promise.resolve(true),
      onError: (error) => errors.push(error),
    });
  for await (const _ of keep()) break;
  expect(await icons.storage.stat(path)).toBeUndefined();
  for await (const _ of keep());
  expect(await icons.storage.stat(path)).toMatchObject({ size: 6 });
  expect(errors).toEqual([]);
});

test('an archive whose batch is removed while it is sent is not kept', async () => {
  const { connection } = icons.system;
  const asked = Promise.withResolvers<void>();
  const removed = Promise.withResolvers<void>();
  let reads = 0;
  class LateDisk extends DiskStorage {
    override async read(path: string) {
      reads += 1;
      if (reads === 2) {
        asked.resolve();
        await removed.promise;
      }
      return super.read(path);
    }
  }
  const storage = new LateDisk(icons.root);
  const server = await icons.serve(storage);
  const { batch_id } = await finishedBatch('somebody', [500_000, 500_000]);
  await markSettled(connection, batch_id, 1);
  const zip = zipAs(server.adminKey, batch_id, {}, server.url);
  await asked.promise;
  await setBatch(connection, batch_id, { completed_at: new Date(1_000) });
  expect(await removeOld(connection, 2_000, 10)).toBe(1);
  await storage.removeFolder(archiveFolder(batch_id));
  removed.resolve();
  const files = unzipSync(new Uint8Array(await (await zip).arrayBuffer()));
  expect(Object.keys(files)).toHaveLength(2);
  await expect(readdir(join(icons.root, archiveFolder(batch_id)))).rejects.toThrow('ENOENT');
});

test('a process that is killed while it sends an archive leaves nothing behind', async () => {
  const [root, temporary] = [await temporaryFolder(), await temporaryFolder()];
  const sending = spawn(process.execPath, ['test/flows/archiveProcess.ts', root], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const over = once(sending, 'exit');
  await once(sending.stdout, 'data');
  sending.kill('SIGKILL');
  await over;
  expect(await readdir(temporary)).toEqual([]);
});

test('a storage that is away is answered with 503, and one that breaks off cuts the archive', async () => {
  const { store, bucket } = await openSandboxBucket();
  const server = await icons.serve(bucket);
  const { batch_id } = await finishedBatch('somebody', [500_000, 500_000], bucket);
  const zip = () => zipAs(server.adminKey, batch_id, {}, server.url);
  expect((await (await zip()).arrayBuffer()).byteLength).toBeGreaterThan(1_000_000);
  store.behave(() => ({ kind: 'hang' }));
  expect((await zip()).status).toBe(503);
  store.behave(() => ({ kind: 'refuse', status: 403, code: 'AccessDenied' }));
  expect((await zip()).status).toBe(503);
  store.behave(() => ({ kind: 'truncate' }));
  await expect(zip().then((answer) => answer.arrayBuffer())).rejects.toThrow();
  const entry = { name: 'icon.png', path: await storeBytes(bucket), modified_at: Date.now() };
  await expect(Readable.from(zipOf(bucket, [entry])).toArray()).rejects.toThrow(StorageUnavailableError);
});

test('a client that goes away before the first piece leaves no file open', async () => {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const opened: Readable[] = [];
  class LateDisk extends DiskStorage {
    override async read(path: string) {
      asked.resolve();
      await gone.promise;
      const stream = await super.read(path);
      if (stream) opened.push(stream);
      return stream;
    }
  }
  const server = await icons.serve(new LateDisk(icons.root));
  const { batch_id } = await finishedBatch('somebody', [500_000]);
  const leaving = new AbortController();
  const zip = zipAs(server.adminKey, batch_id, { signal: leaving.signal }, server.url);
  await asked.promise;
  leaving.abort();
  await expect(zip).rejects.toThrow();
  // What the server answers now, it answers after it was told that the client is gone.
  await (await fetch(`${server.url}/healthz`)).text();
  gone.resolve();
  await waitFor('the file is closed', async () => opened[0]?.destroyed || undefined);
});

test('an archive of 200 MB takes little memory', async () => {
  const { stdout } = await run(process.execPath, ['test/flows/zipProcess.ts', await temporaryFolder()]);
  const { received, risenMegabytes } = JSON.parse(stdout);
  expect(received).toBeGreaterThan(200_000_000);
  expect(risenMegabytes).toBeLessThan(128);
});
