import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';

/** Archives that are written beside their sending at a time; each takes its size where temporary files lie. */
const MOST_AT_ONCE = 2;

/** An archive that is sent for the first time. */
export interface NewArchive {
  /** Where it is kept. */
  readonly path: string;
  /** What is kept there until now goes: it lacks something, or has too much. */
  readonly folder: string;
  /** Asked at the end; one that lacks a file is not kept. */
  readonly isWhole: () => boolean;
  /** Asked once it is stored: what it belongs to may have gone since its sending began. */
  readonly isWanted: () => Promise<boolean>;
  /** It could not be kept, which only costs the next one who asks. */
  readonly onError: (error: unknown) => void;
}

/** Keeps archives while they are sent, so that each is made once. They may be larger than memory. */
export class ArchiveKeeper {
  readonly #storage: ObjectStorage;
  #underWay = 0;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /** The same pieces. Once the last one was taken they are kept; what is given up half way is not. */
  async *keep(
    pieces: AsyncGenerator<Uint8Array>,
    archive: NewArchive,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#underWay >= MOST_AT_ONCE) {
      yield* pieces;
      return;
    }
    this.#underWay += 1;
    const copy = new Copy(archive.onError);
    try {
      for await (const piece of pieces) {
        await copy.write(piece);
        yield piece;
      }
      if (archive.isWhole()) await copy.store((file) => this.#replace(file, archive));
    } finally {
      this.#underWay -= 1;
      await copy.close();
    }
  }

  async #replace(file: FileHandle, { path, folder, isWanted }: NewArchive): Promise<void> {
    await this.#storage.removeFolder(folder);
    await this.#storage.putFile(path, file, 'application/zip');
    // Whoever removes a batch removes its archives afterwards, so one of the two sees the other.
    if (!(await isWanted())) await this.#storage.removeFolder(folder);
  }
}

/**
 * A file for the time of sending. It has no name, so that nothing is left of it when the process is killed. Its first failure ends
 * it: the sending goes on.
 */
class Copy {
  readonly #onError: (error: unknown) => void;
  #handle: FileHandle | undefined;
  #hasFailed = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  write(piece: Uint8Array): Promise<void> {
    return this.#try(async () => {
      this.#handle ??= await openNameless();
      await this.#handle.writeFile(piece);
    });
  }

  store(put: (file: FileHandle) => Promise<void>): Promise<void> {
    return this.#try(async () => {
      if (this.#handle) await put(this.#handle);
    });
  }

  async close(): Promise<void> {
    await this.#handle?.close().catch(this.#onError);
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.#hasFailed) return;
    try {
      await work();
    } catch (error) {
      this.#hasFailed = true;
      this.#onError(error);
    }
  }
}

async function openNameless(): Promise<FileHandle> {
  const file = join(tmpdir(), `millrace-archive-${randomUUID()}`);
  const handle = await open(file, 'wx+', 0o600);
  try {
    await unlink(file);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return handle;
}
