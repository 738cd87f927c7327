import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { type Environment, readEnvironment } from '../../config/env.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { untilStoresAnswer } from '../../src/runtime/untilStoresAnswer.ts';
import type { Holder } from '../start/dataFolder.ts';
import { withEmbeddedDatabases } from './embeddedDatabases.ts';
import { CommandFailure } from './failure.ts';
import { findDatabases, notReachable } from './findDatabases.ts';
import { CONNECT_LIMIT_MILLISECONDS } from './withMongo.ts';

/** What a command can reach of an installation. */
export interface OpenSystem {
  readonly environment: Environment;
  readonly redis: Redis;
  readonly connection: Connection;
  readonly queues: OpenQueues;
  /** The `npm start` that runs on this MongoDB, as far as the data folder tells. */
  readonly running: Holder | undefined;
}

/**
 * Runs the work on the data of REDIS_URL and MONGODB_URL, else on those of the system that runs on the data folder. When
 * none does, the folder is taken and its databases are started for the work.
 *
 * @param activity - the command as others are told about it while it has the folder, such as `npm run usage -- verify`
 * @throws {CommandFailure} when the databases cannot be reached, or there is no data
 * @throws {DataFolderInUseError | DataFolderError | EmbeddedServerError | InvalidEnvironmentError}
 */
export async function withSystem(
  activity: string,
  work: (system: OpenSystem) => Promise<void>,
): Promise<void> {
  const { folder, holder, redisUrl, mongoUrl } = findDatabases();
  if (redisUrl && mongoUrl) {
    const environment = readEnvironment({ ...process.env, REDIS_URL: redisUrl, MONGODB_URL: mongoUrl });
    const running = holder?.mongodb_url === mongoUrl ? holder : undefined;
    return connectAndWork(environment, running, work);
  }
  if (holder) throw notReachable(folder, holder);
  await withEmbeddedDatabases({ folder, activity, embedRedis: !redisUrl, embedMongo: !mongoUrl }, (urls) =>
    connectAndWork(readEnvironment({ ...process.env, ...urls }), undefined, work),
  );
}

async function connectAndWork(
  environment: Environment,
  running: Holder | undefined,
  work: (system: OpenSystem) => Promise<void>,
): Promise<void> {
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
    await work({ environment, redis, connection, queues, running });
  } finally {
    await queues.close();
    redis.disconnect();
    await connection.close();
  }
}
