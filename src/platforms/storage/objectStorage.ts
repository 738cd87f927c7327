import type { Readable } from 'node:stream';

/**
 * Where files are kept. A path is relative, of one or more names divided by `/`; each name is made of letters, digits, `_`, `-` and
 * `.` and begins with none of the dots (`assertObjectPath`). What is stored under a path never changes.
 */
export interface ObjectStorage {
  /** Stores the bytes whole or not at all; they are durable when it resolves. Storing the same again changes nothing. */
  put(path: string, bytes: Buffer, contentType: string): Promise<void>;
  /** @returns nothing when there is no such file */
  stat(path: string): Promise<StoredObject | undefined>;
  /**
   * @param range - bytes, both ends included; the whole file without it
   * @returns nothing when there is no such file
   */
  read(path: string, range?: ByteRange): Promise<Readable | undefined>;
  /** Deleting what is not there is no error. */
  remove(path: string): Promise<void>;
  /** Where people find it: a path of the file system, or an `s3://` address. */
  locationOf(path: string): string;
}

export interface StoredObject {
  readonly size: number;
  /** Milliseconds since 1970 UTC. */
  readonly modified_at: number;
}

export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** Thrown by every driver for a path that could leave the root, or that no file of ours has. */
export class BadObjectPathError extends Error {
  override name = 'BadObjectPathError';
}
