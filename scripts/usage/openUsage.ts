import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { type Environment, readEnvironment } from '../../config/env.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { untilStoresAnswer } from '../../src/runtime/untilStoresAnswer.ts';
import { dataFolder, displayName, findHolder } from '../start/dataFolder.ts';
import { loadDotEnv } from '../start/dotEnv.ts';

const CONNECT_LIMIT_MILLISECONDS = 8_000;

/** The command could not be carried out; the message says why and what to do. */
export class CommandFailure extends Error {
  override name = 'CommandFailure';
}

/** The data of a system. */
export interface OpenUsage {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly queues: OpenQueues;
}

/**
 * Runs the work on the data of REDIS_URL and MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or the stores do not answer
 * @throws {InvalidEnvironmentError}
 */
export async function withUsage(work: (usage: OpenUsage) => Promise<void>): Promise<void> {
  const environment = findEnvironment();
  const silent = pino({ level: 'silent' });
  const connection = connectMongo(environment.MONGODB_URL, 'worker', silent);
  const redis = connectRedis(environment.REDIS_URL, 'worker', silent);
  const queues = openQueues(redis, environment.REDIS_PREFIX);
  try {
    await untilStoresAnswer(redis, connection, AbortSignal.timeout(CONNECT_LIMIT_MILLISECONDS)).catch(
      (error: unknown) => {
        throw new CommandFailure(
          `Redis and MongoDB do not both answer within ${CONNECT_LIMIT_MILLISECONDS / 1_000} s. Are they running, and are REDIS_URL and MONGODB_URL right?`,
          { cause: error },
        );
      },
    );
    await prepareCollections(connection);
    await work({ environment, connection, queues });
  } finally {
    await queues.close();
    redis.disconnect();
    await connection.close();
  }
}

function findEnvironment(): Environment {
  loadDotEnv();
  const folder = dataFolder();
  const holder = findHolder(folder);
  const redisUrl = process.env.REDIS_URL || holder?.redis_url;
  const mongoUrl = process.env.MONGODB_URL || holder?.mongodb_url;
  if (redisUrl && mongoUrl) {
    return readEnvironment({ ...process.env, REDIS_URL: redisUrl, MONGODB_URL: mongoUrl });
  }
  throw new CommandFailure(
    holder
      ? `${holder.activity} (pid ${holder.pid}) is using ${displayName(folder)}, but its databases are not up yet. Try again in a moment.`
      : `Nothing runs on the data folder ${displayName(folder)}. Start it with npm start, or set REDIS_URL and MONGODB_URL.`,
  );
}
