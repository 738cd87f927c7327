import { dataFolder, displayName, findHolder, type Holder } from '../start/dataFolder.ts';
import { loadDotEnv } from '../start/dotEnv.ts';
import { CommandFailure } from './failure.ts';

/** Where the databases of this installation are, as far as that is known now. */
export interface FoundDatabases {
  readonly folder: string;
  /** Who uses the data folder. */
  readonly holder: Holder | undefined;
  readonly redisUrl: string | undefined;
  readonly mongoUrl: string | undefined;
}

/** The addresses of REDIS_URL and MONGODB_URL, else those of the system that runs on the data folder. */
export function findDatabases(): FoundDatabases {
  loadDotEnv();
  const folder = dataFolder();
  const holder = findHolder(folder);
  return {
    folder,
    holder,
    redisUrl: process.env.REDIS_URL || holder?.redis_url,
    mongoUrl: process.env.MONGODB_URL || holder?.mongodb_url,
  };
}

/** Somebody uses the data folder, but not as a running system, or not yet. */
export function notReachable(folder: string, holder: Holder): CommandFailure {
  return new CommandFailure(
    `${holder.activity} (pid ${holder.pid}) is using ${displayName(folder)}, and its databases cannot be reached now. Try again in a moment.`,
  );
}
