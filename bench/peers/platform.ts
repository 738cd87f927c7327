import { readEnvironment } from '../../config/env.ts';
import { AuditTrail } from '../../src/api/audit/auditTrail.ts';
import { listen } from '../../src/api/listen.ts';
import type { Route } from '../../src/api/route.ts';
import { createServer } from '../../src/api/server.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { shutdownOnSignals } from '../../src/runtime/shutdown.ts';

/**
 * Serves one route on the product's own HTTP platform: the same Express settings, request log, metrics and error answers.
 * The platform's connections are there for its health pages; whether the route uses a store is its own affair.
 */
export async function servePlatform(route: Route): Promise<void> {
  const environment = readEnvironment();
  const logger = createLogger('web', environment.LOG_LEVEL);
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const mongo = connectMongo(environment.MONGODB_URL, 'web', logger);
  const queues = openQueues(redis, environment.REDIS_PREFIX);
  const audit = new AuditTrail(mongo, logger);
  const server = createServer(
    {
      environment,
      logger,
      redis,
      mongo,
      queues,
      audit,
      isDataKnown: () => true,
    },
    [route],
  );
  shutdownOnSignals(logger, environment.DRAIN_TIMEOUT_SECONDS, []);
  await listen(server, environment.HOST, environment.PORT);
}
