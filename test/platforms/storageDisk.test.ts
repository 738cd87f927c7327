import { execFile, spawnSync } from 'node:child_process';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { openStorage } from '../../src/platforms/storage/openStorage.ts';
import { BadObjectPathError, StorageUnavailableError } from '../../src/platforms/storage/storageErrors.ts';
import { isOutage } from '../../src/runtime/outage.ts';
import { openFilesBelow } from '../support/openFilesBelow.ts';
import { startProcess } from '../support/processes.ts';
import { storeFile } from '../support/storeFile.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { testsOfEveryStorage } from './storageConformance.ts';

const run = promisify(execFile);
const BYTES = Buffer.from('bytes');

describe('as every storage', () => {
  let storage: DiskStorage;
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'millrace-storage-'));
    // Below folders that are not there yet.
    storage = new DiskStorage(join(root, 'made', 'on demand'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  testsOfEveryStorage(() => storage);
});

/** A storage and a folder beside it, in which nothing may ever happen. */
async function storageAndOutside() {
  const folder = await temporaryFolder();
  const root = join(folder, 'root');
  const outside = join(folder, 'outside');
  await mkdir(root);
  await mkdir(outside);
  await writeFile(join(outside, 'secret.png'), 'secret');
  return { root, outside, storage: new DiskStorage(root) };
}

test('a symbolic link below the root leads nowhere, whatever it points at', async () => {
  const { root, outside, storage } = await storageAndOutside();
  await mkdir(join(root, 'real'));
  await writeFile(join(root, 'real', 'icon.png'), BYTES);
  await symlink(outside, join(root, 'out'));
  await symlink(join(outside, 'secret.png'), join(root, 'secret.png'));
  await symlink(join(root, 'real'), join(root, 'inside'));
  await symlink(join(outside, 'not-there.png'), join(root, 'dangling.png'));

  const through = ['out/secret.png', 'out/new/deep/new.png', 'secret.png', 'inside/icon.png', 'dangling.png'];
  for (const path of through) {
    await expect(storage.stat(path)).rejects.toThrow(BadObjectPathError);
    await expect(storage.read(path)).rejects.toThrow(BadObjectPathError);
    await expect(storage.put(path, BYTES)).rejects.toThrow(BadObjectPathError);
    await expect(storage.remove(path)).rejects.toThrow(BadObjectPathError);
    await expect(storage.removeFolder(path)).rejects.toThrow(BadObjectPathError);
  }
  await expect(storage.removeFolder('out')).rejects.toThrow(BadObjectPathError);
  expect(await readdir(outside)).toEqual(['secret.png']);
  expect(await readFile(join(outside, 'secret.png'), 'utf8')).toBe('secret');
});

test('removing a folder does not follow the links in it', async () => {
  const { root, outside, storage } = await storageAndOutside();
  await storage.put('renditions/icon/16.png', BYTES);
  await symlink(outside, join(root, 'renditions', 'icon', 'out'));
  await storage.removeFolder('renditions/icon');
  expect(await readdir(join(root, 'renditions'))).toEqual([]);
  expect(await readdir(outside)).toEqual(['secret.png']);
});

test('the root itself may be a symbolic link', async () => {
  const { root } = await storageAndOutside();
  await symlink(root, `${root}-link`);
  const storage = new DiskStorage(`${root}-link`);
  await storage.put('tools/icon.png', BYTES);
  expect(await readFile(join(root, 'tools', 'icon.png'))).toEqual(BYTES);
});

test('what a crashed write left is removed after an hour, and what is being written is not', async () => {
  const { root, storage } = await storageAndOutside();
  const unfinished = join(root, '.unfinished');
  await mkdir(unfinished);
  await writeFile(join(unfinished, 'of-a-crash'), 'half a fi');
  await utimes(join(unfinished, 'of-a-crash'), new Date(), new Date(Date.now() - 2 * 3_600_000));
  await writeFile(join(unfinished, 'of-now'), 'half a fi');
  await storage.put('icon.png', BYTES);
  expect(await readdir(unfinished)).toEqual(['of-now']);
});

test('a process that is killed while it stores leaves whole files only', async () => {
  const size = 200_000;
  for (let round = 0; round < 5; round++) {
    const { root, storage } = await storageAndOutside();
    const child = startProcess('test/platforms/storingProcess.ts', {}, [root, String(size)]);
    await child.line((line) => line === `Stored ${10 * (round + 1)}`);
    child.kill('SIGKILL');
    await child.exited;
    const names = await readdir(join(root, 'icons'));
    expect(names.length).toBeGreaterThan(10 * (round + 1));
    for (const name of names) {
      const bytes = await readFile(join(root, 'icons', name));
      expect(bytes.equals(Buffer.alloc(size, Number.parseInt(name, 10) % 256))).toBe(true);
    }
    await storage.put('icons/after.png', BYTES);
  }
});

test('what is there but no file is neither read nor overwritten', async () => {
  const { root, storage } = await storageAndOutside();
  await mkdir(join(root, 'folder.png'));
  await writeFile(join(root, 'file'), BYTES);
  expect(await storage.read('folder.png')).toBeUndefined();
  await storage.remove('folder.png');
  await expect(storage.put('folder.png', BYTES)).rejects.toThrow(BadObjectPathError);
  await expect(storage.put('file/below.png', BYTES)).rejects.toThrow(BadObjectPathError);
  expect((await lstat(join(root, 'folder.png'))).isDirectory()).toBe(true);
});

test('a root that cannot be made is an outage', async () => {
  const { root } = await storageAndOutside();
  await writeFile(join(root, 'file'), BYTES);
  const storage = new DiskStorage(join(root, 'file', 'storage'));
  await expect(storage.stat('icon.png')).rejects.toThrow(StorageUnavailableError);
  const error = await storage.put('icon.png', BYTES).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StorageUnavailableError);
  expect(isOutage(error)).toBe(true);
  expect(String(error)).not.toContain(root);
});

test('a file that could not be stored is open no more, nor is one that was', async () => {
  const { root, outside, storage } = await storageAndOutside();
  const file = join(outside, 'secret.png');
  await writeFile(join(root, '.unfinished'), 'where the folder should be');
  await expect(storeFile(storage, 'icon.png', file)).rejects.toThrow(StorageUnavailableError);
  expect(await openFilesBelow(file)).toBe(0);
  await rm(join(root, '.unfinished'));
  expect(await storeFile(storage, 'icon.png', file)).toBe('stored');
  expect(await storeFile(storage, 'icon.png', file)).toBe('was-there');
  expect(await openFilesBelow(file)).toBe(0);
});

test('a root that is gone is an outage until it is back, and nothing in it is taken for gone', async () => {
  const { root, storage } = await storageAndOutside();
  await storage.put('tools/icon.png', BYTES);
  await rename(root, `${root}-away`);
  for (const call of [
    () => storage.stat('tools/icon.png'),
    () => storage.read('tools/icon.png'),
    () => storage.put('tools/other.png', BYTES),
    () => storage.remove('tools/icon.png'),
    () => storage.removeFolder('tools'),
  ]) {
    await expect(call()).rejects.toThrow(StorageUnavailableError);
  }
  await expect(lstat(root)).rejects.toThrow('ENOENT');
  await rename(`${root}-away`, root);
  expect(await storage.stat('tools/icon.png')).toMatchObject({ size: BYTES.length });
});

/** How a process gets a folder with room for one megabyte; a file system of its own only where one can be mounted. */
const ROOMS = [
  { what: 'the limit of a file', command: ['bash'], prepare: () => 'ulimit -f 1024' },
  {
    what: 'a full file system',
    command: ['unshare', '--user', '--map-root-user', '--mount', 'bash'],
    prepare: (root: string) => `mount -t tmpfs -o size=1m tmpfs ${root}`,
  },
].filter(({ command: [program = '', ...options] }) => isPossible(program, [...options, '-c', 'true']));

test.each(ROOMS)('without room ($what) the file is not there at all, and others fit again', async (room) => {
  const [program = '', ...options] = room.command;
  const { root } = await storageAndOutside();
  const child = `${process.execPath} ${resolve('test/platforms/fullDiskProcess.ts')} ${root}`;
  const { stdout } = await run(program, [...options, '-c', `${room.prepare(root)} && exec ${child}`]);
  expect(JSON.parse(stdout)).toEqual({
    error: 'StorageFullError',
    outage: true,
    files: { 'icons/first.png': 300_000, 'icons/third.png': 300_000 },
  });
});

function isPossible(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}

test('the environment says which storage is opened', () => {
  const stores = { REDIS_URL: 'redis://x', MONGODB_URL: 'mongodb://x' };
  const disk = openStorage(readEnvironment({ ...stores, STORAGE_PATH: '/srv/files' }));
  expect(disk.locationOf('tools/icon.png')).toBe('/srv/files/tools/icon.png');
  const bucket = openStorage(readEnvironment({ ...stores, STORAGE_DRIVER: 's3', S3_BUCKET: 'my-icons' }));
  expect(bucket.locationOf('tools/icon.png')).toBe('s3://my-icons/tools/icon.png');
});
