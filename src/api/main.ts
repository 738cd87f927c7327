import { type Environment, InvalidEnvironmentError, readEnvironment } from '../../config/env.ts';
import { openQueues } from '../producers/queues.ts';
import { createLogger } from '../runtime/logger.ts';
import { connectMongo } from '../runtime/mongo.ts';
import { connectRedis } from '../runtime/redis.ts';
import { shutdownOnSignals } from '../runtime/shutdown.ts';
import { closeServer, listen, PortInUseError } from './listen.ts';
import { createServer } from './server.ts';

/** The web process: `node src/api/main.ts`. */
async function main(environment: Environment): Promise<void> {
  const logger = createLogger('web', environment.LOG_LEVEL);
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const mongo = connectMongo(environment.MONGODB_URL, 'web', logger);
  const queues = openQueues(redis, environment.REDIS_PREFIX);

  const server = createServer(
    { environment, logger, redis, mongo, queues, exampleSeller: 'demo.seller' },
    [],
  );
  shutdownOnSignals(logger, environment.DRAIN_TIMEOUT_SECONDS, [
    { name: 'http server', run: () => closeServer(server) },
    { name: 'queues', run: () => queues.close() },
    { name: 'redis', run: () => redis.disconnect() },
    { name: 'mongodb', run: () => mongo.close() },
  ]);
  const address = await listen(server, environment.HOST, environment.PORT);
  logger.info({ address }, 'The API listens');
}

try {
  await main(readEnvironment());
} catch (error) {
  if (!(error instanceof InvalidEnvironmentError || error instanceof PortInUseError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
