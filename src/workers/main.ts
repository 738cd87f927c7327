import { type Environment, InvalidEnvironmentError, readEnvironment } from '../../config/env.ts';
import { WRONG_SETTINGS_EXIT_CODE } from '../../config/exitCode.ts';
import { stopTimes } from '../../config/stopTimes.ts';
import { prepareCollections } from '../models/collections.ts';
import { requireUsageTimeZone, UsageTimeZoneError } from '../models/usageTimeZone.ts';
import { UnsupportedImageSettingError, UnsupportedModelError } from '../platforms/images/openaiModels.ts';
import { openQueues } from '../producers/queues.ts';
import { iconsQueue } from '../queues/icons.ts';
import { createLogger } from '../runtime/logger.ts';
import { connectMongo } from '../runtime/mongo.ts';
import { connectRedis } from '../runtime/redis.ts';
import { shutdownOnSignals } from '../runtime/shutdown.ts';
import { untilStoresAnswer } from '../runtime/untilStoresAnswer.ts';
import { whenReachable } from '../runtime/whenReachable.ts';
import { chooseWorkers, UnknownQueueError } from './chooseWorkers.ts';
import type { RunningWorker } from './startWorker.ts';
import { workerEntries } from './workers.ts';

/** Their messages say what to do; anything else is a defect and keeps its stack. */
const EXPLAINED = [
  UnsupportedModelError,
  UnsupportedImageSettingError,
  InvalidEnvironmentError,
  UnknownQueueError,
  UsageTimeZoneError,
];

/** A worker process: `node src/workers/main.ts [queue or family …]`, all of them when none is named. */
async function main(environment: Environment, names: readonly string[]): Promise<void> {
  const logger = createLogger('worker', environment.LOG_LEVEL);
  const redis = connectRedis(environment.REDIS_URL, 'worker', logger);
  const connection = connectMongo(environment.MONGODB_URL, 'worker', logger);
  const queues = openQueues(redis, environment.REDIS_PREFIX);
  const running: RunningWorker[] = [];
  const stopping = new AbortController();
  const entries = chooseWorkers(
    workerEntries({
      environment,
      connection,
      queues,
      redis,
      logger,
      untilStoresAnswer: (signal) => untilStoresAnswer(redis, connection, signal),
    }),
    names,
  );

  const makesIcons = entries.some(({ queue }) => queue.name === iconsQueue.name);
  const { drain, longestDrain, limit } = stopTimes(environment, makesIcons);
  shutdownOnSignals(logger, limit, [
    { name: 'start', run: () => stopping.abort() },
    {
      name: 'jobs',
      run: async () => {
        await Promise.all(running.map((worker) => worker.drain(drain * 1_000, longestDrain * 1_000)));
      },
    },
    { name: 'queues', run: () => queues.close() },
    { name: 'redis', run: () => redis.disconnect() },
    { name: 'mongodb', run: () => connection.close() },
  ]);

  try {
    await whenReachable(
      () => untilStoresAnswer(redis, connection, stopping.signal),
      async () => {
        await prepareCollections(connection);
        await requireUsageTimeZone(connection, environment.BUSINESS_TIME_ZONE);
      },
    );
  } catch (error) {
    if (stopping.signal.aborted) return;
    throw error;
  }
  for (const entry of entries) running.push(entry.start());
  logger.info({ queues: entries.map((entry) => entry.queue.name) }, 'The workers take jobs');
}

try {
  await main(readEnvironment(), process.argv.slice(2));
} catch (error) {
  if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(WRONG_SETTINGS_EXIT_CODE);
}
