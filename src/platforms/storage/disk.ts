import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, opendir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { assertObjectPath } from './objectPath.ts';
import type { ByteRange, ObjectStorage, Put, StoredObject } from './objectStorage.ts';
import { BadObjectPathError, StorageFullError, StorageUnavailableError } from './storageErrors.ts';

/**
 * Where files are while they are written. Its name is none of an object, and all leftovers of crashed writes are in one
 * place, where they are found without looking through everything that is stored.
 */
const UNFINISHED = '.unfinished';
const ABANDONED_AFTER_MILLISECONDS = 3_600_000;
const MOST_LEFTOVERS_AT_ONCE = 1_000;

/**
 * Files in a folder of this machine. The root may be a symbolic link; nothing below it may. The root is made once: when it is
 * gone later, its volume is, and everything in it is away rather than deleted.
 */
export class DiskStorage implements ObjectStorage {
  readonly #root: string;
  #rootWasThere = false;
  #leftoversRemovedAt = Number.NEGATIVE_INFINITY;

  /** @param root - a folder; it is made when the storage is first used */
  constructor(root: string) {
    this.#root = resolve(root);
  }

  put(path: string, bytes: Buffer): Promise<Put> {
    return this.#store(path, (handle) => handle.writeFile(bytes));
  }

  putFile(path: string, file: FileHandle): Promise<Put> {
    return this.#store(path, (handle) =>
      handle.writeFile(file.createReadStream({ start: 0, autoClose: false })),
    );
  }

  async #store(path: string, write: (handle: FileHandle) => Promise<void>): Promise<Put> {
    assertObjectPath(path);
    return asStorageError(async () => {
      await this.#requireRoot();
      await this.#removeLeftovers();
      const folder = await this.#makeFolder(dirname(path));
      const file = join(this.#root, path);
      const present = await lstatIfThere(file);
      if (present && !present.isFile()) throw new BadObjectPathError('What is there is no file');
      if (!present) await this.#writeWhole(file, write);
      // Also for a file that is there already: whoever put it there may not have come to this line.
      await syncFolder(folder);
      return present ? 'was-there' : 'stored';
    });
  }

  async stat(path: string): Promise<StoredObject | undefined> {
    assertObjectPath(path);
    return asStorageError(async () => {
      const stats = await this.#find(path);
      if (!stats?.isFile()) return undefined;
      return { size: stats.size, modified_at: Math.floor(stats.mtimeMs) };
    });
  }

  async read(path: string, range?: ByteRange): Promise<Readable | undefined> {
    assertObjectPath(path);
    return asStorageError(async () => {
      const stats = await this.#find(path);
      if (!stats?.isFile()) return undefined;
      const handle = await openIfThere(join(this.#root, path));
      return handle?.createReadStream(range ? { start: range.from, end: range.to } : {});
    });
  }

  async remove(path: string): Promise<void> {
    assertObjectPath(path);
    await asStorageError(async () => {
      const stats = await this.#find(path);
      if (stats?.isFile()) await rm(join(this.#root, path), { force: true });
    });
  }

  async removeFolder(folder: string): Promise<void> {
    assertObjectPath(folder);
    await asStorageError(async () => {
      const stats = await this.#find(folder);
      if (stats?.isDirectory()) await rm(join(this.#root, folder), { recursive: true, force: true });
    });
  }

  locationOf(path: string): string {
    assertObjectPath(path);
    return join(this.#root, path);
  }

  /** Makes the root if this process has not seen it yet. */
  async #requireRoot(): Promise<void> {
    if (!this.#rootWasThere) await makeDurably(this.#root);
    if (!(await stat(this.#root)).isDirectory()) throw new StorageUnavailableError();
    this.#rootWasThere = true;
  }

  /** Looks at what is there, name by name. */
  async #find(path: string): Promise<Stats | undefined> {
    let at = this.#root;
    let stats: Stats | undefined;
    for (const name of path.split('/')) {
      at = join(at, name);
      stats = await lstatIfThere(at);
      refuseLink(stats);
      if (!stats) {
        await this.#requireRoot();
        return undefined;
      }
    }
    return stats;
  }

  /** @returns where the folder is; the way to it is durable */
  async #makeFolder(folder: string): Promise<string> {
    let at = this.#root;
    for (const name of folder === '.' ? [] : folder.split('/')) {
      at = join(at, name);
      const stats = await lstatIfThere(at);
      refuseLink(stats);
      if (stats && !stats.isDirectory()) throw new BadObjectPathError('A file is where a folder should be');
      if (!stats) await makeIfMissing(at);
      // Also when it is there already: the process that made it may not have come to this line.
      await syncFolder(dirname(at));
    }
    return at;
  }

  /** Nobody ever sees a part: the file gets its name when it is whole and on the disk. Of two at once, the last one stays. */
  async #writeWhole(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    const folder = join(this.#root, UNFINISHED);
    await makeIfMissing(folder);
    const unfinished = join(folder, randomUUID());
    try {
      const handle = await open(unfinished, 'wx', 0o644);
      try {
        await write(handle);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(unfinished, file);
    } catch (error) {
      await unlink(unfinished).catch(() => undefined);
      throw error;
    }
  }

  /** Now and then: nobody writes for an hour at one file, so what is older was left by a crash. */
  async #removeLeftovers(): Promise<void> {
    const now = Date.now();
    if (now - this.#leftoversRemovedAt < ABANDONED_AFTER_MILLISECONDS) return;
    this.#leftoversRemovedAt = now;
    const folder = join(this.#root, UNFINISHED);
    if (!(await lstatIfThere(folder))?.isDirectory()) return;
    let seen = 0;
    for await (const { name } of await opendir(folder)) {
      seen += 1;
      if (seen > MOST_LEFTOVERS_AT_ONCE) break;
      const stats = await lstatIfThere(join(folder, name));
      if (stats && now - stats.mtimeMs > ABANDONED_AFTER_MILLISECONDS) {
        await rm(join(folder, name), { recursive: true, force: true });
      }
    }
  }
}

function refuseLink(stats: Stats | undefined): void {
  if (stats?.isSymbolicLink()) throw new BadObjectPathError('The path leads through a symbolic link');
}

/** Only this folder: a root that is gone is not made anew. */
async function makeIfMissing(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

async function makeDurably(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** A name in a folder survives a power cut once the folder is written: https://man7.org/linux/man-pages/man2/fsync.2.html */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (NOT_THERE.has(codeOf(error))) return undefined;
    throw error;
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (NOT_THERE.has(codeOf(error))) return undefined;
    throw error;
  }
}

const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);
/** No room on the disk, in the quota, or under the process's own limit of a file's size. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Names what the operating system refuses. Whatever it is (rights, a read-only or broken disk), it may be put right meanwhile. */
async function asStorageError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    if (FULL.has(code)) throw new StorageFullError({ cause: error });
    if (code !== '') throw new StorageUnavailableError({ cause: error });
    throw error;
  }
}

/** Code of a failed system call; empty for every other error. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return '';
  return String(error.code);
}
