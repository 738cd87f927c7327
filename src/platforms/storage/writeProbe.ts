import { randomUUID } from 'node:crypto';
import type { ObjectStorage } from './objectStorage.ts';
import { rememberSuccess } from './rememberSuccess.ts';

const HOLDS_MILLISECONDS = 10_000;
const BYTES = Buffer.from(
  'A process of Millrace tried whether it can store something, and was ended before it removed this.\n',
);

/**
 * Makes a check that something can be stored, by doing it: reading tells nothing about a read-only disk or a right that lacks.
 * A success holds for ten seconds.
 *
 * @returns the check; it throws StorageUnavailableError or StorageFullError
 */
export function openWriteProbe(storage: ObjectStorage): () => Promise<void> {
  const path = `probe-${randomUUID()}.txt`;
  return rememberSuccess(async () => {
    // What a removal that failed has left would be found, and nothing written.
    await storage.remove(path);
    await storage.put(path, BYTES, 'text/plain');
    await storage.remove(path);
  }, HOLDS_MILLISECONDS);
}
