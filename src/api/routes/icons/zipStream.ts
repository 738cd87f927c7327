import type { Readable } from 'node:stream';
import { Zip, ZipPassThrough } from 'fflate';
import type { ObjectStorage } from '../../../platforms/storage/objectStorage.ts';
import { StorageUnavailableError } from '../../../platforms/storage/storageErrors.ts';

export interface ZipEntry {
  /** In the archive; each only once. */
  readonly name: string;
  /** In the storage. */
  readonly path: string;
  /** Milliseconds since 1970 UTC. */
  readonly modified_at: number;
}

const NO_MORE = new Uint8Array(0);

/**
 * A zip archive of stored files, piece by piece, of which only the piece at hand is in memory. Nothing is compressed: images
 * are already. A file that is not there any more is left out, and its path is added to `missing`.
 *
 * @throws StorageUnavailableError also when a file breaks off
 */
export async function* zipOf(
  storage: ObjectStorage,
  entries: readonly ZipEntry[],
  missing: string[] = [],
): AsyncGenerator<Uint8Array, void, undefined> {
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, piece) => {
    if (error) throw error;
    ready.push(piece);
  });
  for (const { name, path, modified_at } of entries) {
    const stream = await storage.read(path);
    if (!stream) {
      missing.push(path);
      continue;
    }
    const file = new ZipPassThrough(name);
    file.mtime = modified_at;
    zip.add(file);
    for await (const piece of piecesOf(stream)) {
      file.push(piece);
      yield* ready.splice(0);
    }
    file.push(NO_MORE, true);
    yield* ready.splice(0);
  }
  zip.end();
  yield* ready.splice(0);
}

async function* piecesOf(stream: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* stream;
  } catch (error) {
    throw new StorageUnavailableError({ cause: error });
  }
}
