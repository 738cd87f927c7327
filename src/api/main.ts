import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { type Environment, InvalidEnvironmentError, readEnvironment } from '../../config/env.ts';
import { WRONG_SETTINGS_EXIT_CODE } from '../../config/exitCode.ts';
import { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { UsagePending } from '../models/usagePending.ts';
import { requireUsageTimeZone, UsageTimeZoneError } from '../models/usageTimeZone.ts';
import { WorkspaceWriter } from '../models/workspaceWriter.ts';
import { UnsupportedImageSettingError, UnsupportedModelError } from '../platforms/images/openaiModels.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../producers/queues.ts';
import { UsageRecorder } from '../producers/usage/recordUsage.ts';
import { UserDirectory } from '../producers/usage/userDirectory.ts';
import { usageQueue } from '../queues/usage.ts';
import { createLogger } from '../runtime/logger.ts';
import { connectMongo } from '../runtime/mongo.ts';
import { connectRedis } from '../runtime/redis.ts';
import { shutdownOnSignals } from '../runtime/shutdown.ts';
import { untilStoresAnswer } from '../runtime/untilStoresAnswer.ts';
import { whenReachable } from '../runtime/whenReachable.ts';
import { AuditTrail } from './audit/auditTrail.ts';
import { ensureFirstSuperadmin } from './firstSuperadmin.ts';
import { EventLimit } from './limits/eventLimit.ts';
import { closeServer, listen, PortInUseError } from './listen.ts';
import { attachLive } from './live/attachLive.ts';
import { accountRoutes } from './routes/accounts.ts';
import { authDependencies } from './routes/auth/dependencies.ts';
import { authRoutes } from './routes/auth.ts';
import { openCredits } from './routes/credits/openCredits.ts';
import { creditsRoutes } from './routes/credits.ts';
import { openIcons } from './routes/icons/openIcons.ts';
import { iconsRoutes } from './routes/icons.ts';
import type { UsageRouteDependencies } from './routes/usage/dependencies.ts';
import { usageRoutes } from './routes/usage.ts';
import { webhookDependencies } from './routes/webhooks/dependencies.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { workspaceRoutes } from './routes/workspace.ts';
import { createServer } from './server.ts';

/** Their messages say what to do; anything else is a defect and keeps its stack. */
const EXPLAINED = [
  InvalidEnvironmentError,
  PortInUseError,
  UnsupportedImageSettingError,
  UnsupportedModelError,
  UsageTimeZoneError,
];

/** The web process: `node src/api/main.ts`. */
async function main(environment: Environment): Promise<void> {
  const logger = createLogger('web', environment.LOG_LEVEL);
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const mongo = connectMongo(environment.MONGODB_URL, 'web', logger);
  const queues = openQueues(redis, environment.REDIS_PREFIX);
  const audit = new AuditTrail(mongo, logger);

  const auth = authDependencies(environment, redis, mongo);
  const credits = openCredits(environment, { redis, mongo, queues }, logger);
  const { ledger, firstContact } = credits.dependencies;
  const writer = new WorkspaceWriter(mongo);
  const icons = openIcons(
    environment,
    { redis, mongo, queues, ledger, workspace: { writer, firstContact } },
    logger,
  );
  let isDataKnown = false;
  const server = createServer(
    {
      environment,
      logger,
      redis,
      mongo,
      queues,
      audit,
      isDataKnown: () => isDataKnown,
    },
    [
      // First, because the router looks at one after another, and reports are by far the most requests.
      ...usageRoutes(usageDependencies(environment, redis, mongo, queues, () => isDataKnown)),
      ...accountRoutes(auth),
      ...authRoutes(auth),
      ...creditsRoutes(credits.dependencies),
      ...iconsRoutes(icons.dependencies),
      ...webhookRoutes(webhookDependencies(environment, mongo, queues)),
      ...workspaceRoutes({ ...credits.dependencies, writer }),
    ],
  );
  const endLive = attachLive(
    server,
    { environment, connection: mongo, feed: icons.dependencies.feed },
    logger,
  );
  const stopping = new AbortController();
  shutdownOnSignals(logger, environment.DRAIN_TIMEOUT_SECONDS, [
    { name: 'start', run: () => stopping.abort() },
    { name: 'live balances', run: () => credits.close() },
    { name: 'live connections', run: endLive },
    { name: 'icons', run: () => icons.close() },
    { name: 'http server', run: () => closeServer(server) },
    { name: 'audit log', run: () => audit.settle() },
    { name: 'queues', run: () => queues.close() },
    { name: 'redis', run: () => redis.disconnect() },
    { name: 'mongodb', run: () => mongo.close() },
  ]);
  const address = await listen(server, environment.HOST, environment.PORT);
  logger.info({ address }, 'The API listens');

  // Requests are answered meanwhile, with 503 as long as a store is away.
  try {
    await whenReachable(
      () => untilStoresAnswer(redis, mongo, stopping.signal),
      async () => {
        await requireUsageTimeZone(mongo, environment.BUSINESS_TIME_ZONE);
        isDataKnown = true;
        await ensureFirstSuperadmin(mongo, auth.passwords, environment, logger);
      },
    );
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  }
}

function usageDependencies(
  environment: Environment,
  redis: Redis,
  connection: Connection,
  queues: OpenQueues,
  isZoneKnown: () => boolean,
): UsageRouteDependencies {
  const calendar = new BusinessCalendar(environment.BUSINESS_TIME_ZONE);
  const pending = new UsagePending(redis, queuePrefix(environment.REDIS_PREFIX, usageQueue.name), calendar);
  const queue = queues.of(usageQueue);
  const backlogLimit = environment.USAGE_QUEUE_LIMIT;
  return {
    recorder: new UsageRecorder({ queue, pending, connection, backlogLimit }),
    users: new UserDirectory(connection),
    pending,
    queue,
    connection,
    calendar,
    isZoneKnown,
    eventLimit: new EventLimit(redis, environment),
    contractAccess: environment.USAGE_ACCESS,
  };
}

try {
  await main(readEnvironment());
} catch (error) {
  if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  // A port may be free again at the next start.
  process.exit(error instanceof PortInUseError ? 1 : WRONG_SETTINGS_EXIT_CODE);
}
