import { setTimeout as wait } from 'node:timers/promises';
import type { IconFile, IconImage } from '../../domain/icons/icon.ts';
import { iconPath } from '../../domain/icons/iconPath.ts';
import { StorageFullError, StorageUnavailableError } from '../../platforms/storage/storageErrors.ts';
import type { Run } from '../handlers.ts';
import type { IconWork } from './iconWork.ts';
import { pauseIcons } from './pauseIcons.ts';

/** Together with the waits below the time that a lease leaves for storing. */
const MOST_TRIES = 5;

/**
 * Stores an icon that may have been paid, and so is not given up at the first trouble.
 *
 * @throws StorageUnavailableError, StorageFullError - when it cannot be stored; the icon is lost then
 */
export async function storeIcon(work: IconWork, image: IconImage, png: Buffer, run: Run): Promise<IconFile> {
  const created_at = Date.now();
  const { folder, path } = iconPath(image.category, image.content_key, created_at);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work.storage.put(path, png, 'image/png');
      return { path, folder, size: png.length, created_at };
    } catch (error) {
      if (error instanceof StorageFullError) {
        await pauseIcons(work, error.message, run);
        throw error;
      }
      if (!(error instanceof StorageUnavailableError) || attempt === MOST_TRIES) throw error;
      await wait(work.times.retry * attempt, undefined, { signal: run.signal });
    }
  }
}

/** No call is made while its image would have no place to go. @throws StorageUnavailableError */
export async function requireStorage(
  { storage }: Pick<IconWork, 'storage'>,
  image: IconImage,
): Promise<void> {
  await storage.stat(iconPath(image.category, image.content_key, Date.now()).path);
}
