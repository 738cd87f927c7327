import { join } from 'node:path';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { describeEnd, type Running, type Supervised, supervise } from './supervise.ts';

export interface DatabasesOptions {
  folder: string;
  embedRedis: boolean;
  embedMongo: boolean;
  say: (text: string) => void;
  /** Told the pid at every start of an embedded database. */
  onStart: (database: 'redis' | 'mongo', pid: number) => void;
  /** Gets every database that was started, also when another one could not be. */
  started: Supervised[];
}

/** Addresses of the databases that were started; absent for those that are not embedded. */
export interface DatabaseUrls {
  REDIS_URL?: string;
  MONGODB_URL?: string;
}

/**
 * Starts the embedded databases and keeps them running, on the same port and data.
 *
 * @throws {EmbeddedServerError} when one cannot be started
 */
export async function startDatabases(options: DatabasesOptions): Promise<DatabaseUrls> {
  const { folder, say } = options;
  const [redis, mongo] = await Promise.allSettled([
    options.embedRedis
      ? embed('redis', options, (port) => startRedis({ dir: join(folder, 'redis'), onNotice: say, ...port }))
      : undefined,
    options.embedMongo
      ? embed('mongo', options, (port) => startMongo({ dir: join(folder, 'mongo'), ...port }))
      : undefined,
  ]);
  if (redis.status === 'rejected') throw redis.reason;
  if (mongo.status === 'rejected') throw mongo.reason;
  return {
    ...(redis.value ? { REDIS_URL: redis.value } : {}),
    ...(mongo.value ? { MONGODB_URL: mongo.value } : {}),
  };
}

async function embed(
  name: 'redis' | 'mongo',
  options: DatabasesOptions,
  start: (port: { port?: number }) => Promise<EmbeddedServer>,
): Promise<string> {
  const first = await start({});
  const supervised = supervise({
    name,
    first: asRunning(first),
    start: async () => asRunning(await start({ port: first.port })),
    say: options.say,
    onStart: (pid) => options.onStart(name, pid),
  });
  options.started.push(supervised);
  return first.url;
}

function asRunning(server: EmbeddedServer): Running {
  return { pid: server.pid, stop: server.stop, exited: server.exited.then(describeEnd) };
}
