import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { ObjectStorage } from '../../src/platforms/storage/objectStorage.ts';
import { readObject } from '../../src/platforms/storage/readObject.ts';
import { BadObjectPathError } from '../../src/platforms/storage/storageErrors.ts';
import { storeFile } from '../support/storeFile.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { uniqueName } from '../support/testSystem.ts';

/** Paths that could leave the root, or mean something else in another file system than they say. */
export const BAD_PATHS = [
  '',
  '.',
  '..',
  '/',
  '/etc/passwd',
  '../outside.png',
  'folder/../../outside.png',
  'folder/./icon.png',
  'folder//icon.png',
  'folder/',
  'folder/..',
  '..\\outside.png',
  'folder\\..\\..\\outside.png',
  'C:\\outside.png',
  'C:outside.png',
  'folder/icon.png\0.txt',
  '\0',
  '%2e%2e/outside.png',
  'folder/%2e%2e%2foutside.png',
  'folder%2ficon.png',
  'folder/icon.png%00',
  '.hidden',
  'folder/.unfinished',
  '.unfinished/leftover',
  'folder/icon.',
  'folder/icon.png ',
  'folder/ic on.png',
  'folder/icon.png:stream',
  'folder/icon~1.png',
  'con',
  'folder/NUL.png',
  'aux/icon.png',
  'com1.png',
  'folder/ıcon.png',
  'folder/\u2024\u2024/icon.png',
  'folder/\u202egnp.exe',
  'folder/\ud800.png',
  `folder/${'a'.repeat(201)}`,
  'a/b/c/d/e/f/g/h/i',
];

const BYTES = Buffer.from('0123456789');

/** What every driver of the storage has to do. */
export function testsOfEveryStorage(storageOf: () => ObjectStorage): void {
  const folder = uniqueName('folder');
  const path = () => `${folder}/${uniqueName('icon')}.png`;

  test("a file of this machine is stored like bytes, and takes nobody's place", async () => {
    const storage = storageOf();
    const stored = path();
    const source = join(await temporaryFolder(), 'source.zip');
    await writeFile(source, BYTES);
    expect(await storeFile(storage, stored, source)).toBe('stored');
    expect(await readObject(storage, stored)).toEqual(BYTES);
    await writeFile(source, 'other bytes');
    expect(await storeFile(storage, stored, source)).toBe('was-there');
    expect(await readObject(storage, stored)).toEqual(BYTES);
  });

  test('what was stored is there, whole and in parts', async () => {
    const storage = storageOf();
    const stored = path();
    const before = Date.now() - 2_000;
    await storage.put(stored, BYTES, 'image/png');

    const found = await storage.stat(stored);
    expect(found?.size).toBe(10);
    expect(found?.modified_at).toBeGreaterThan(before);
    expect(Number.isInteger(found?.modified_at)).toBe(true);
    expect(await readObject(storage, stored)).toEqual(BYTES);
    expect(await textOf(storage, stored, 0, 0)).toBe('0');
    expect(await textOf(storage, stored, 3, 5)).toBe('345');
    expect(await textOf(storage, stored, 9, 9)).toBe('9');
  });

  test('what is stored under a path never changes', async () => {
    const storage = storageOf();
    const stored = path();
    expect(await storage.put(stored, BYTES, 'image/png')).toBe('stored');
    const first = await storage.stat(stored);
    expect(await storage.put(stored, BYTES, 'image/png')).toBe('was-there');
    expect(await storage.put(stored, Buffer.from('something else'), 'image/png')).toBe('was-there');
    expect(await readObject(storage, stored)).toEqual(BYTES);
    expect(await storage.stat(stored)).toEqual(first);
  });

  test('twenty at once storing the same all succeed, and it is whole', async () => {
    const storage = storageOf();
    const stored = path();
    const large = Buffer.alloc(300_000, 'same');
    await Promise.all(Array.from({ length: 20 }, () => storage.put(stored, large, 'image/png')));
    expect((await readObject(storage, stored))?.equals(large)).toBe(true);
  });

  test('what was never stored is not there, nor is a folder a file', async () => {
    const storage = storageOf();
    const stored = path();
    await storage.put(stored, BYTES, 'image/png');
    const never = uniqueName('never');
    for (const absent of [path(), `${never}/x.png`, folder, `${stored}/below.png`, never]) {
      expect(await storage.stat(absent)).toBeUndefined();
      expect(await storage.read(absent)).toBeUndefined();
      await storage.remove(absent);
    }
    await storage.removeFolder(never);
    await storage.removeFolder(stored);
    expect(await readObject(storage, stored)).toEqual(BYTES);
  });

  test('a removed file is gone and may be stored again', async () => {
    const storage = storageOf();
    const stored = path();
    await storage.put(stored, BYTES, 'image/png');
    await storage.remove(stored);
    expect(await storage.stat(stored)).toBeUndefined();
    expect(await storage.put(stored, Buffer.from('anew'), 'image/png')).toBe('stored');
    expect(await readObject(storage, stored)).toEqual(Buffer.from('anew'));
  });

  test('a removed folder is gone with everything below it, and nothing beside it', async () => {
    const storage = storageOf();
    const removed = uniqueName('renditions');
    const below = Array.from({ length: 50 }, (_, index) => `${removed}/icon/${index % 3}/${index}.png`);
    const beside = [`${removed}/icon.png`, `${removed}/icon-2/1.png`, `${removed}/iconic.png`];
    await Promise.all([...below, ...beside].map((name) => storage.put(name, BYTES, 'image/png')));
    await storage.removeFolder(`${removed}/icon`);
    for (const gone of below) expect(await storage.stat(gone)).toBeUndefined();
    for (const kept of beside) expect(await storage.stat(kept)).toBeDefined();
  });

  test.each(BAD_PATHS)('the path %j is refused by every method', async (bad) => {
    const storage = storageOf();
    await expect(storage.put(bad, BYTES, 'image/png')).rejects.toThrow(BadObjectPathError);
    await expect(storage.stat(bad)).rejects.toThrow(BadObjectPathError);
    await expect(storage.read(bad)).rejects.toThrow(BadObjectPathError);
    await expect(storage.remove(bad)).rejects.toThrow(BadObjectPathError);
    await expect(storage.removeFolder(bad)).rejects.toThrow(BadObjectPathError);
    expect(() => storage.locationOf(bad)).toThrow(BadObjectPathError);
  });
}

async function textOf(storage: ObjectStorage, path: string, from: number, to: number): Promise<string> {
  const stream = await storage.read(path, { from, to });
  if (!stream) throw new Error(`${path} is not there`);
  return text(stream);
}
