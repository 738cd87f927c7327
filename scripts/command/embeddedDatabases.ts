import { existsSync } from 'node:fs';
import { finishInterrupted, holdsData } from '../data/entries.ts';
import { type DatabaseUrls, startDatabases } from '../start/databases.ts';
import { displayName, lockDataFolder } from '../start/dataFolder.ts';
import type { Supervised } from '../start/supervise.ts';
import { CommandFailure } from './failure.ts';

export interface EmbeddedDatabasesOptions {
  readonly folder: string;
  /** What others are told meanwhile about who uses the folder, such as `npm run usage -- verify`. */
  readonly activity: string;
  readonly embedRedis: boolean;
  readonly embedMongo: boolean;
}

/**
 * Takes the sole use of a data folder and runs the work on its databases, which are started before and stopped after it.
 *
 * @throws {CommandFailure} when the folder holds no data
 * @throws {DataFolderInUseError | DataFolderError | EmbeddedServerError}
 */
export async function withEmbeddedDatabases(
  options: EmbeddedDatabasesOptions,
  work: (urls: DatabaseUrls) => Promise<void>,
): Promise<void> {
  const { folder, activity, embedRedis, embedMongo } = options;
  if (!existsSync(folder)) throw noData(folder);
  const lock = lockDataFolder(folder, activity);
  const started: Supervised[] = [];
  try {
    await finishInterrupted(folder);
    if (!holdsData(folder)) throw noData(folder);
    const say = (text: string) => process.stderr.write(`${text}\n`);
    const onStart = () => undefined;
    await work(await startDatabases({ folder, embedRedis, embedMongo, say, onStart, started }));
  } finally {
    await Promise.all(started.map((database) => database.stop()));
    lock.release();
  }
}

function noData(folder: string): CommandFailure {
  return new CommandFailure(
    `There is no data in ${displayName(folder)}. npm start makes it; or set REDIS_URL and MONGODB_URL.`,
  );
}
