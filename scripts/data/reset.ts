import { displayName, lockDataFolder } from '../start/dataFolder.ts';
import { discardData, finishInterrupted, holdsData } from './entries.ts';
import { DataCommandError } from './errors.ts';

/** Removes all data and credentials of a folder that nobody uses. @throws {DataCommandError | DataFolderInUseError | DataFolderError} */
export async function reset(folder: string, confirmed: boolean): Promise<void> {
  const lock = lockDataFolder(folder, 'npm run data -- reset');
  try {
    await finishInterrupted(folder);
    if (!confirmed && holdsData(folder)) {
      throw new DataCommandError(
        `Nothing was removed. To remove all data in ${displayName(folder)}: npm run data -- reset --yes`,
      );
    }
    await discardData(folder);
  } finally {
    lock.release();
  }
}
