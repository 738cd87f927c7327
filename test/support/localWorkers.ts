import { readEnvironment } from '../../config/env.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { untilStoresAnswer } from '../../src/runtime/untilStoresAnswer.ts';
import { chooseWorkers } from '../../src/workers/chooseWorkers.ts';
import { workerEntries } from '../../src/workers/workers.ts';
import type { TestSystem } from './testSystem.ts';

/**
 * The product's workers in the test's own process, for tests that need no kill: a process of their own takes seconds to
 * start on a busy machine.
 *
 * @returns how to stop them; running jobs are left to others at once
 */
export async function startLocalWorkers(
  system: TestSystem,
  environment: Readonly<Record<string, string>>,
  names: readonly string[] = [],
): Promise<() => Promise<void>> {
  const settings = readEnvironment({ ...system.environment, ...environment });
  const logger = createLogger('worker', 'silent');
  const redis = connectRedis(settings.REDIS_URL, 'worker', logger);
  const connection = connectMongo(settings.MONGODB_URL, 'worker', logger);
  const queues = openQueues(redis, settings.REDIS_PREFIX);
  const entries = workerEntries({
    environment: settings,
    connection,
    queues,
    redis,
    logger,
    untilStoresAnswer: (signal) => untilStoresAnswer(redis, connection, signal),
  });
  await untilStoresAnswer(redis, connection, AbortSignal.timeout(60_000));
  const workers = chooseWorkers(entries, names).map((entry) => entry.start());
  return async () => {
    await Promise.all(workers.map((worker) => worker.drain(1)));
    await queues.close();
    redis.disconnect();
    await connection.close();
  };
}
