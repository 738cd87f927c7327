import { open } from 'node:fs/promises';
import type { ObjectStorage, Put } from '../../src/platforms/storage/objectStorage.ts';

/** Stores a file as whoever made it does, who closes it afterwards. */
export async function storeFile(storage: ObjectStorage, path: string, file: string): Promise<Put> {
  const handle = await open(file);
  try {
    return await storage.putFile(path, handle, 'application/zip');
  } finally {
    await handle.close();
  }
}
