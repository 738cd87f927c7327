import type { ObjectStorage } from './objectStorage.ts';
import { StorageUnavailableError } from './storageErrors.ts';

/**
 * Reads a whole file into memory.
 *
 * @returns nothing when there is no such file
 * @throws StorageUnavailableError also when the file breaks off
 */
export async function readObject(storage: ObjectStorage, path: string): Promise<Buffer | undefined> {
  const stream = await storage.read(path);
  if (!stream) return undefined;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk);
  } catch (error) {
    throw new StorageUnavailableError({ cause: error });
  }
  return Buffer.concat(chunks);
}
