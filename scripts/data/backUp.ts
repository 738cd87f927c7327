import { existsSync } from 'node:fs';
import { constants, cp, mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { displayName, findHolder, type Holder, lockDataFolder } from '../start/dataFolder.ts';
import { type ArchiveSize, pack } from './archive.ts';
import { DATABASES_AND_KEYS, FILES, finishInterrupted, holdsData } from './entries.ts';
import { DataCommandError } from './errors.ts';
import { whileFrozen } from './freeze.ts';

/** Notes of running servers, and files that Redis or a storage has not finished. */
const NO_DATA = /^(temp-.*|.*\.pid|\.unfinished)$/;

/** How a backup went. */
export interface BackupResult extends ArchiveSize {
  /** How long the databases stood still; absent when nothing ran. */
  pausedMs?: number;
}

/**
 * Copies all data of a folder into one archive, also while the system runs.
 *
 * Consistent across both databases: they stand still at the same moment while their files are copied. Redis writes every command to disk before it answers,
 * MongoDB every write, so the files hold everything that was acknowledged, just as after a power loss at that moment: an accepted report is in the
 * queue, in the database, or in both (which counts it once, by its record id). Stored files are copied afterwards, while everything runs: each is
 * there before a database names it and never changes, and one that is cleared meanwhile is made again when it is wanted.
 *
 * @throws {DataCommandError | DataFolderInUseError | DataFolderError}
 */
export async function backUp(folder: string, target: string): Promise<BackupResult> {
  if (existsSync(target))
    throw new DataCommandError(`${displayName(target)} exists already; choose another name.`);
  if (!existsSync(folder) || !holdsData(folder))
    throw new DataCommandError(`There is no data in ${displayName(folder)}.`);
  const copy = await makeCopyFolder(target);
  try {
    const holder = findHolder(folder);
    const pausedMs = holder ? await copyRunning(folder, copy, holder) : await copyStopped(folder, copy);
    await copyEntries(folder, copy, [FILES]);
    return { ...(await pack(copy, target)), ...(pausedMs === undefined ? {} : { pausedMs }) };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** Beside the archive: the first look at whether anything can be written there. */
async function makeCopyFolder(target: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new DataCommandError(`The backup cannot be written there: ${error.message}`, { cause: error });
  }
}

async function copyRunning(folder: string, copy: string, holder: Holder): Promise<number> {
  const { redis, mongo } = holder.embedded ?? {};
  if (redis === undefined || mongo === undefined) {
    throw new DataCommandError(
      `${holder.activity} (pid ${holder.pid}) does not run both embedded databases: it is still starting, or uses REDIS_URL or MONGODB_URL.`,
    );
  }
  let startedAt = 0;
  await whileFrozen([redis, mongo], async () => {
    startedAt = performance.now();
    await copyEntries(folder, copy, DATABASES_AND_KEYS);
    const now = findHolder(folder)?.embedded;
    if (now?.redis !== redis || now.mongo !== mongo) {
      throw new DataCommandError('A database was restarted during the backup; try again.');
    }
  });
  return Math.round(performance.now() - startedAt);
}

async function copyStopped(folder: string, copy: string): Promise<undefined> {
  const lock = lockDataFolder(folder, 'npm run data -- backup');
  try {
    await finishInterrupted(folder);
    await copyEntries(folder, copy, DATABASES_AND_KEYS);
  } finally {
    lock.release();
  }
}

async function copyEntries(folder: string, copy: string, entries: readonly string[]): Promise<void> {
  for (const entry of entries) {
    if (!existsSync(join(folder, entry))) continue;
    await cp(join(folder, entry), join(copy, entry), {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (source) => !NO_DATA.test(basename(source)),
    });
  }
}
