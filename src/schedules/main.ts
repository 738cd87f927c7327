import { type Environment, InvalidEnvironmentError, readEnvironment } from '../../config/env.ts';
import { WRONG_SETTINGS_EXIT_CODE } from '../../config/exitCode.ts';
import { openQueues } from '../producers/queues.ts';
import { createLogger } from '../runtime/logger.ts';
import { connectRedis } from '../runtime/redis.ts';
import { shutdownOnSignals } from '../runtime/shutdown.ts';
import { creditsSchedule } from './credits.ts';
import { iconsSchedule } from './icons.ts';
import { remoteCreditsSchedule } from './remoteCredits.ts';
import { startSchedule } from './startSchedule.ts';
import { usageSchedule } from './usage.ts';
import { webhooksSchedule } from './webhooks.ts';

/** A scheduler process: `node src/schedules/main.ts`. Any number of them may run; a tick gives one job. */
function main(environment: Environment): void {
  const logger = createLogger('scheduler', environment.LOG_LEVEL);
  // Nobody waits for a tick, but a tick that waits for Redis would come late and at once with others.
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const queues = openQueues(redis, environment.REDIS_PREFIX);
  const entries = [
    ...usageSchedule(redis, queues),
    ...creditsSchedule(redis, queues),
    ...webhooksSchedule(redis, queues),
    ...iconsSchedule(redis, queues),
    ...(environment.CREDITS_PROVIDER === 'remote' ? remoteCreditsSchedule(redis, queues) : []),
  ];
  const schedule = startSchedule(entries, logger);
  shutdownOnSignals(logger, environment.DRAIN_TIMEOUT_SECONDS, [
    { name: 'ticks', run: () => schedule.stop() },
    { name: 'queues', run: () => queues.close() },
    { name: 'redis', run: () => redis.disconnect() },
  ]);
  logger.info({ schedules: entries.map((entry) => entry.name) }, 'The scheduler runs');
}

try {
  main(readEnvironment());
} catch (error) {
  if (!(error instanceof InvalidEnvironmentError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(WRONG_SETTINGS_EXIT_CODE);
}
