import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CREDENTIALS_FILE } from '../start/credentials.ts';

/** Both databases and the keys: every backup has them. */
export const DATABASES_AND_KEYS = ['redis', 'mongo', CREDENTIALS_FILE];

/** What the databases know by its name, such as icons. There is none before the first. */
export const FILES = 'files';

/** What of a data folder is data; the lock and the note about who runs are not. */
const ENTRIES = [...DATABASES_AND_KEYS, FILES];

const RESTORED = 'restored';
const UNFINISHED = 'unfinished-';

export function holdsData(folder: string): boolean {
  return ENTRIES.some((entry) => existsSync(join(folder, entry)));
}

/** A folder for what is not complete yet, inside the data folder so that a rename can finish it. */
export function makeUnfinished(folder: string): Promise<string> {
  return mkdtemp(join(folder, UNFINISHED));
}

/** From here on the data of `unfinished` is the data, even if the process is killed the next moment. */
export async function acceptRestored(folder: string, unfinished: string): Promise<void> {
  await rename(unfinished, join(folder, RESTORED));
  await finishInterrupted(folder);
}

/**
 * Moves an accepted restore into its place and removes what a killed command left. Every start does this first; it may be repeated at
 * any point. The caller holds the lock.
 */
export async function finishInterrupted(folder: string): Promise<void> {
  const restored = join(folder, RESTORED);
  for (const entry of ENTRIES) {
    if (!existsSync(join(restored, entry))) continue;
    await rm(join(folder, entry), { recursive: true, force: true });
    await rename(join(restored, entry), join(folder, entry));
  }
  await rm(restored, { recursive: true, force: true });
  for (const name of await readdir(folder)) {
    if (name.startsWith(UNFINISHED)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Takes all data out of its place and removes it; a start after a kill in between removes the rest. The caller holds the lock. */
export async function discardData(folder: string): Promise<void> {
  const removed = await makeUnfinished(folder);
  for (const entry of ENTRIES) await rename(join(folder, entry), join(removed, entry)).catch(ignoreMissing);
  await finishInterrupted(folder);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
