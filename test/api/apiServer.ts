import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { readEnvironment } from '../../config/env.ts';
import { AuditTrail } from '../../src/api/audit/auditTrail.ts';
import { closeServer, listen } from '../../src/api/listen.ts';
import type { Route } from '../../src/api/route.ts';
import { createServer } from '../../src/api/server.ts';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { uniqueName } from '../support/testSystem.ts';

/** The platform on a free port of this process, with keys and a database of its own. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly adminKey: string;
  readonly board: { readonly username: string; readonly password: string };
  readonly redis: Redis;
  /** Of its keys in Redis. */
  readonly prefix: string;
  readonly queues: OpenQueues;
  close(): Promise<void>;
}

export interface ApiServerOptions {
  readonly routes?: readonly Route[];
  /** @defaultValue the Redis of the run */
  readonly redisUrl?: string;
  /** @defaultValue the MongoDB of the run */
  readonly mongoUrl?: string;
  /** More variables. */
  readonly environment?: Readonly<Record<string, string>>;
  /** @defaultValue true */
  readonly withBoard?: boolean;
}

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const prefix = uniqueName('api');
  const mongoUrl = new URL(options.mongoUrl ?? process.env.MONGODB_URL ?? '');
  mongoUrl.pathname = `/${prefix}`;
  const adminKey = randomBytes(24).toString('base64url');
  const board = { username: 'operator', password: randomBytes(24).toString('base64url') };
  const environment = readEnvironment({
    REDIS_URL: options.redisUrl ?? process.env.REDIS_URL,
    MONGODB_URL: mongoUrl.toString(),
    REDIS_PREFIX: prefix,
    ADMIN_API_KEY: adminKey,
    ...options.environment,
    ...(options.withBoard === false
      ? {}
      : { BOARD_USERNAME: board.username, BOARD_PASSWORD: board.password }),
  });
  const logger = createLogger('web', 'silent');
  const redis = connectRedis(environment.REDIS_URL, 'producer', logger);
  const mongo = connectMongo(environment.MONGODB_URL, 'web', logger);
  await Promise.all([once(redis, 'ready'), once(mongo, 'connected')]);
  const queues = openQueues(redis, prefix);
  const server = createServer(
    {
      environment,
      logger,
      redis,
      mongo,
      queues,
      audit: new AuditTrail(mongo, logger),
      isDataKnown: () => true,
    },
    options.routes ?? [],
  );
  const url = await listen(server, '127.0.0.1', 0);
  return {
    url,
    port: Number(new URL(url).port),
    adminKey,
    board,
    redis,
    prefix,
    queues,
    async close() {
      server.closeAllConnections();
      await closeServer(server);
      if (redis.status === 'ready') {
        await Promise.all(queues.all().map((queue) => queue.obliterate({ force: true })));
        await mongo.dropDatabase();
      }
      await queues.close();
      redis.disconnect();
      await mongo.close();
    },
  };
}
