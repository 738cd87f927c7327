import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { openCredentials } from '../start/credentials.ts';
import { displayName, lockDataFolder } from '../start/dataFolder.ts';
import { ArchiveError, unpack } from './archive.ts';
import {
  acceptRestored,
  DATABASES_AND_KEYS,
  finishInterrupted,
  holdsData,
  makeUnfinished,
} from './entries.ts';
import { DataCommandError } from './errors.ts';

/**
 * Replaces the data of a folder that nobody uses by that of an archive. The archive is unpacked and tried on real servers first; the data
 * that is there is not touched before.
 *
 * @throws {ArchiveError | DataCommandError | DataFolderInUseError | DataFolderError | EmbeddedServerError}
 */
export async function restore(folder: string, archive: string, confirmed: boolean): Promise<void> {
  const lock = lockDataFolder(folder, 'npm run data -- restore');
  try {
    await finishInterrupted(folder);
    if (!confirmed && holdsData(folder)) {
      throw new DataCommandError(
        `${displayName(folder)} holds data. To replace it: npm run data -- restore --yes <file>`,
      );
    }
    const unfinished = await makeUnfinished(folder);
    try {
      await unpack(archive, unfinished);
      await tryData(archive, unfinished);
      await acceptRestored(folder, unfinished);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  } finally {
    lock.release();
  }
}

/** Starts both databases on the unpacked data, which shows that they can read it. */
async function tryData(archive: string, folder: string): Promise<void> {
  const missing = DATABASES_AND_KEYS.filter((entry) => !existsSync(join(folder, entry)));
  if (missing.length > 0) throw new ArchiveError(`${archive} lacks ${missing.join(', ')}.`);
  openCredentials(folder);
  const redis = await startRedis({ dir: join(folder, 'redis') });
  await redis.stop();
  const mongo = await startMongo({ dir: join(folder, 'mongo') });
  await mongo.stop();
}
