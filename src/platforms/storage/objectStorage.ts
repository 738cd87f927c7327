import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/**
 * Where files are kept. A path is relative, of one or more names divided by `/`; each name is made of letters, digits, `_`, `-` and
 * `.` and neither begins nor ends with a dot (`assertObjectPath`). What is stored under a path never changes.
 *
 * Every method throws BadObjectPathError, StorageUnavailableError while the place is away, and those that put StorageFullError.
 */
export interface ObjectStorage {
  /**
   * Stores the bytes whole or not at all; they are durable when it resolves. A file that is there stays as it is, also when it
   * comes from an earlier call that failed.
   */
  put(path: string, bytes: Buffer, contentType: string): Promise<Put>;
  /**
   * Stores a file of this machine, which may be larger than memory and need not have a name, from its beginning, as `put` does
   * bytes.
   *
   * @param file - whoever opened it closes it afterwards
   */
  putFile(path: string, file: FileHandle, contentType: string): Promise<Put>;
  /** @returns nothing when there is no such file; never because the whole storage is not where it was */
  stat(path: string): Promise<StoredObject | undefined>;
  /**
   * The stream fails when the file breaks off. Who does not read it to its end has to destroy it.
   *
   * @param range - bytes inside the file, both ends included; the whole file without it
   * @returns nothing when there is no such file
   */
  read(path: string, range?: ByteRange): Promise<Readable | undefined>;
  /** Deleting what is not there is no error. */
  remove(path: string): Promise<void>;
  /** Deletes everything below a folder, a handful of files. No such folder is no error. */
  removeFolder(folder: string): Promise<void>;
  /** Where people find it: a path of the file system, or an `s3://` address. */
  locationOf(path: string): string;
}

export type Put = 'stored' | 'was-there';

export interface StoredObject {
  readonly size: number;
  /** Milliseconds since 1970 UTC. */
  readonly modified_at: number;
}

export interface ByteRange {
  readonly from: number;
  readonly to: number;
}
