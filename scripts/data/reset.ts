import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { displayName, lockDataFolder } from '../start/dataFolder.ts';
import { ENTRIES, finishInterrupted, holdsData, makeUnfinished } from './entries.ts';
import { DataCommandError } from './errors.ts';

/** Removes all data and credentials of a folder that nobody uses. @throws {DataCommandError | DataFolderInUseError} */
export async function reset(folder: string, confirmed: boolean): Promise<void> {
  const lock = lockDataFolder(folder, 'npm run data -- reset');
  try {
    await finishInterrupted(folder);
    if (!confirmed && holdsData(folder)) {
      throw new DataCommandError(
        `Nothing was removed. To remove all data in ${displayName(folder)}: npm run data -- reset --yes`,
      );
    }
    const removed = await makeUnfinished(folder);
    for (const entry of ENTRIES) await rename(join(folder, entry), join(removed, entry)).catch(ignoreMissing);
    await finishInterrupted(folder);
  } finally {
    lock.release();
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
