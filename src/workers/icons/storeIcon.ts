import { setTimeout as wait } from 'node:timers/promises';
import type { IconFile, IconImage } from '../../domain/icons/icon.ts';
import { iconPath } from '../../domain/icons/iconPath.ts';
import { StorageFullError, StorageUnavailableError } from '../../platforms/storage/storageErrors.ts';
import type { Run } from '../handlers.ts';
import type { IconWork } from './iconWork.ts';
import { pauseIcons } from './pauseIcons.ts';

/** Together with the waits below the time that a lease leaves for storing. */
const MOST_TRIES = 5;

/** A path has whole seconds. */
const NEXT_PATH_MILLISECONDS = 1_000;

/**
 * Stores an icon that may have been paid, and so is not given up at the first trouble. It never takes the place of a file that
 * is there: a clearing may have forgotten that one and be about to remove it.
 *
 * @throws StorageUnavailableError, StorageFullError - when it cannot be stored; the icon is lost then, and no further one is
 *   made until an operator has seen to it
 */
export async function storeIcon(work: IconWork, image: IconImage, png: Buffer, run: Run): Promise<IconFile> {
  let created_at = Date.now();
  for (let attempt = 1; ; attempt += 1) {
    const begun_at = performance.now();
    const { folder, path } = iconPath(image.category, image.content_key, created_at);
    try {
      const put = await work.storage.put(path, png, 'image/png');
      if (put === 'stored') return { path, folder, size: png.length, created_at };
      if (attempt === MOST_TRIES) throw new StorageUnavailableError();
      created_at += NEXT_PATH_MILLISECONDS;
    } catch (error) {
      const isLast = error instanceof StorageUnavailableError && attempt === MOST_TRIES;
      if (isLast || error instanceof StorageFullError) {
        await pauseIcons(work, { reason: error.message, begun_at }, run);
        throw error;
      }
      if (!(error instanceof StorageUnavailableError)) throw error;
      await wait(work.times.retry * attempt, undefined, { signal: run.signal });
    }
  }
}
