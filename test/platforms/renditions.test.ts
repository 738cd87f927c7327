import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type ObjectStore, startObjectStore } from '../../sandbox/objectStore.ts';
import { FAVICON_SIZES } from '../../src/platforms/images/favicon.ts';
import {
  RENDITION_FORMATS,
  RENDITION_SIZES,
  type Rendition,
  Renditions,
  renditionFolder,
  renditionPath,
} from '../../src/platforms/images/renditions.ts';
import { sharp } from '../../src/platforms/images/sharp.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { readObject } from '../../src/platforms/storage/readObject.ts';
import type { S3Storage } from '../../src/platforms/storage/s3.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { bucketOf } from '../support/sandboxBucket.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { uniqueName } from '../support/testSystem.ts';

let store: ObjectStore;
let storage: S3Storage;

beforeAll(async () => {
  store = await startObjectStore();
  storage = bucketOf(store);
});
beforeEach(() => store.behave(() => undefined));
afterAll(() => store.close());

/** A stored icon: red, with a blue left half. */
async function storeIcon(width: number, height: number): Promise<string> {
  const half = { width: Math.floor(width / 2), height, channels: 3, background: '#0000ff' } as const;
  const png = await sharp({ create: { width, height, channels: 3, background: '#ff0000' } })
    .composite([{ input: await sharp({ create: half }).png().toBuffer(), left: 0, top: 0 }])
    .png()
    .toBuffer();
  const path = `tools/${uniqueName('icon')}.png`;
  await storage.put(path, png, 'image/png');
  return path;
}

async function made(original: string, rendition: Rendition): Promise<Buffer> {
  expect(await new Renditions(storage).make(original, rendition)).toEqual({ kind: 'kept' });
  const bytes = await readObject(storage, renditionPath(original, rendition));
  if (!bytes) throw new Error('The rendition is not there');
  return bytes;
}

/** Red, green, blue and opacity of one pixel. */
async function pixel(bytes: Buffer, x: number, y: number): Promise<number[]> {
  const { data } = await sharp(bytes)
    .ensureAlpha()
    .extract({ left: x, top: y, width: 1, height: 1 })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return [...data];
}

function writesOf(path: string): number {
  return store.received.filter(({ method, key }) => method === 'PUT' && key === path).length;
}

test('every size in every format shows the icon', async () => {
  const original = await storeIcon(1_024, 1_024);
  for (const size of RENDITION_SIZES) {
    for (const format of RENDITION_FORMATS) {
      const bytes = await made(original, { kind: 'image', size, format });
      const { width, height, format: found } = await sharp(bytes).metadata();
      expect([width, height, found]).toEqual([size, size, format]);
      const [left, right] = [await pixel(bytes, 1, 1), await pixel(bytes, size - 2, size - 2)];
      expect(left[2]).toBeGreaterThan(200);
      expect(right[0]).toBeGreaterThan(200);
    }
  }
});

test('an oblong icon is shown whole in a square, with nothing beside it', async () => {
  const original = await storeIcon(200, 100);
  const bytes = await made(original, { kind: 'image', size: 128, format: 'png' });
  expect((await sharp(bytes).metadata()).width).toBe(128);
  expect(await pixel(bytes, 64, 2)).toEqual([0, 0, 0, 0]);
  expect(await pixel(bytes, 120, 64)).toEqual([255, 0, 0, 255]);
});

test('nothing is blown up', async () => {
  const original = await storeIcon(100, 60);
  const renditions = new Renditions(storage);
  const outcome = await renditions.make(original, { kind: 'image', size: 128, format: 'webp' });
  expect(outcome).toEqual({ kind: 'too-large', original: 100 });
  expect(await renditions.make(await storeIcon(40, 40), { kind: 'favicon' })).toEqual({
    kind: 'too-large',
    original: 40,
  });
  expect(await renditions.make('tools/never-stored.png', { kind: 'favicon' })).toEqual({
    kind: 'no-original',
  });
  expect(writesOf(renditionPath(original, { kind: 'image', size: 128, format: 'webp' }))).toBe(0);
});

test('that an icon is too small is found out once, and its file is not read again for it', async () => {
  const original = await storeIcon(100, 60);
  const renditions = new Renditions(storage);
  for (const size of [128, 1024, 128] as const) {
    expect(await renditions.make(original, { kind: 'image', size, format: 'webp' })).toEqual({
      kind: 'too-large',
      original: 100,
    });
  }
  expect(store.received.filter(({ method, key }) => method === 'GET' && key === original)).toHaveLength(1);
});

test('a favicon holds its three sizes as PNG of 8-bit RGBA', async () => {
  const ico = await made(await storeIcon(256, 256), { kind: 'favicon' });
  expect([ico.readUInt16LE(0), ico.readUInt16LE(2), ico.readUInt16LE(4)]).toEqual([0, 1, 3]);
  let end = 6 + 3 * 16;
  for (const [index, size] of FAVICON_SIZES.entries()) {
    const entry = ico.subarray(6 + 16 * index);
    expect([entry.readUInt8(0), entry.readUInt8(1), entry.readUInt16LE(6)]).toEqual([size, size, 32]);
    const [length, offset] = [entry.readUInt32LE(8), entry.readUInt32LE(12)];
    expect(offset).toBe(end);
    end += length;
    const png = ico.subarray(offset, end);
    const { width, height, channels, depth, format } = await sharp(png).metadata();
    expect([width, height, channels, depth, format]).toEqual([size, size, 4, 'uchar', 'png']);
    expect(await pixel(png, size - 1, 0)).toEqual([255, 0, 0, 255]);
  }
  expect(end).toBe(ico.length);
});

test('asked for fifty times at once it is made once; two processes make the same', async () => {
  const original = await storeIcon(512, 512);
  const rendition = { kind: 'image', size: 256, format: 'webp' } as const;
  const path = renditionPath(original, rendition);
  const renditions = new Renditions(storage);
  await Promise.all(Array.from({ length: 50 }, () => renditions.make(original, rendition)));
  expect(writesOf(path)).toBe(1);
  const first = await readObject(storage, path);

  await storage.remove(path);
  const processes = [new Renditions(storage), new Renditions(storage)];
  const outcomes = await Promise.all(processes.map((process) => process.make(original, rendition)));
  expect(outcomes).toEqual([{ kind: 'kept' }, { kind: 'kept' }]);
  expect((await readObject(storage, path))?.equals(first ?? Buffer.alloc(0))).toBe(true);
});

test('what would have to wait for long is refused, and what waits is made', async () => {
  const root = new DiskStorage(await temporaryFolder());
  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const originals = Array.from({ length: 80 }, (_, index) => `tools/icon-${index}.png`);
  await Promise.all(originals.map((path) => root.put(path, bytes)));
  const renditions = new Renditions(root);
  const outcomes = await Promise.allSettled(
    originals.map((original) => renditions.make(original, { kind: 'image', size: 16, format: 'png' })),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused).toHaveLength(80 - 2 - 64);
  for (const { reason } of refused) expect(reason).toBeInstanceOf(ServiceUnavailableError);
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(66);
});

test('a failure is not remembered', async () => {
  const original = await storeIcon(64, 64);
  const renditions = new Renditions(storage);
  const rendition = { kind: 'image', size: 32, format: 'png' } as const;
  store.behave(() => ({ kind: 'refuse', status: 403, code: 'AccessDenied' }));
  await expect(renditions.make(original, rendition)).rejects.toThrow(ServiceUnavailableError);
  store.behave(() => undefined);
  expect(await renditions.make(original, rendition)).toEqual({ kind: 'kept' });
});

test('of an icon that is deleted meanwhile nothing stays', async () => {
  const original = await storeIcon(64, 64);
  store.behave(({ method, key }) => {
    if (method === 'PUT' && key.startsWith(renditionFolder(original))) store.objects.delete(original);
    return undefined;
  });
  const outcome = await new Renditions(storage).make(original, { kind: 'image', size: 32, format: 'png' });
  expect(outcome).toEqual({ kind: 'no-original' });
  expect([...store.objects.keys()].filter((key) => key.startsWith(renditionFolder(original)))).toEqual([]);
});
