import { randomBytes } from 'node:crypto';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { type Db, MongoClient } from 'mongodb';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { findOnPath } from '../../embedded/findOnPath.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { ACTIVE_STATUS, SELLER_ROLE } from '../../src/domain/users/seller.ts';
import { foldUserName } from '../../src/domain/users/userName.ts';
import { queuePrefix } from '../../src/producers/queues.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { SELLERS } from './reports.ts';
import { waitUntil } from './waitUntil.ts';

const REDIS_PREFIX = 'bench';
const REWRITE_SECONDS = 30;
/** A file system in memory on Linux. */
const SHARED_MEMORY = '/dev/shm';

/** The stores that everything is measured on, and where their data and the logs lie. All of it is gone after `strike`. */
export interface Stage {
  readonly folder: string;
  /** In memory where the machine has a place for that: on the disk of Redis each log line would wait for Redis's syncs. */
  readonly logFolder: string;
  readonly redisUrl: string;
  readonly mongoUrl: string;
  /** How the MongoDB came to be, in words. */
  readonly mongoKind: string;
  readonly redis: Redis;
  readonly db: Db;
  /** The product's usage queue. */
  readonly usage: Queue;
  readonly adminApiKey: string;
  /** The environment of every process of the benchmark. */
  readonly environment: Readonly<Record<string, string>>;
  readonly profileFolder: string | undefined;
  /** Empties Redis, and its log too. */
  emptyRedis(): Promise<void>;
  /** Safe to call twice. */
  strike(): Promise<void>;
}

/**
 * Starts a Redis of its own as `npm start` does, every write on disk before it is answered, so that it may be emptied at
 * will; and a MongoDB the same way unless an address is given, where a database of its own is made and dropped.
 */
export async function setStage(options: {
  mongoUrl: string | undefined;
  profileFolder: string | undefined;
}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const logFolder = await mkdtemp(join(await memoryFolder(), 'millrace-bench-logs-'));
  const servers: EmbeddedServer[] = [];
  const stopServers = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    for (const made of [folder, logFolder]) await rm(made, { recursive: true, force: true });
  };
  try {
    const redisServer = await startRedis({ dir: join(folder, 'redis') });
    servers.push(redisServer);
    let mongoUrl = options.mongoUrl;
    if (mongoUrl === undefined) {
      const mongoServer = await startMongo({ dir: join(folder, 'mongo') });
      servers.push(mongoServer);
      mongoUrl = mongoServer.url;
    }
    const database = withDatabase(mongoUrl, `millrace_bench_${randomBytes(4).toString('hex')}`);
    return await connect({ folder, logFolder }, redisServer.url, database, options, stopServers);
  } catch (error) {
    await stopServers();
    throw error;
  }
}

async function connect(
  folders: Pick<Stage, 'folder' | 'logFolder'>,
  redisUrl: string,
  mongoUrl: string,
  options: { mongoUrl: string | undefined; profileFolder: string | undefined },
  stopServers: () => Promise<void>,
): Promise<Stage> {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  // Whoever is measured when the log is long enough would pay for rewriting it.
  await redis.config('SET', 'auto-aof-rewrite-percentage', '0');
  const client = await MongoClient.connect(mongoUrl);
  const db = client.db();
  const usage = new Queue(usageQueue.name, {
    connection: redis,
    prefix: queuePrefix(REDIS_PREFIX, usageQueue.name),
  });
  const adminApiKey = randomBytes(24).toString('base64url');
  await addSellers(db);

  async function emptyRedis(): Promise<void> {
    await redis.flushall();
    await redis.bgrewriteaof();
    await waitUntil('the log of Redis is rewritten', REWRITE_SECONDS, async () =>
      (await redis.info('persistence')).includes('aof_rewrite_in_progress:0'),
    );
  }

  async function strike(): Promise<void> {
    try {
      await db.dropDatabase();
    } finally {
      await client.close();
      await usage.close();
      redis.disconnect();
      await stopServers();
    }
  }
  // An interrupted run strikes at the signal and again where it then fails.
  let struck: Promise<void> | undefined;

  return {
    ...folders,
    redisUrl,
    mongoUrl,
    mongoKind: options.mongoUrl
      ? 'given by MONGODB_URL'
      : findOnPath('mongod')
        ? 'mongod from PATH'
        : 'the embedded server',
    redis,
    db,
    usage,
    adminApiKey,
    environment: {
      REDIS_URL: redisUrl,
      MONGODB_URL: mongoUrl,
      REDIS_PREFIX,
      ADMIN_API_KEY: adminApiKey,
      LOG_LEVEL: 'info',
      // What is measured is the server, not its limits.
      RATE_LIMIT_EVENTS_PER_MINUTE: '1000000000000',
      USAGE_QUEUE_LIMIT: '1000000',
    },
    profileFolder: options.profileFolder,
    emptyRedis,
    strike() {
      struck ??= strike();
      return struck;
    },
  };
}

async function memoryFolder(): Promise<string> {
  try {
    await access(SHARED_MEMORY, constants.W_OK);
    return SHARED_MEMORY;
  } catch {
    return tmpdir();
  }
}

async function addSellers(db: Db): Promise<void> {
  await db.collection('users').insertMany(
    SELLERS.map((userName, index) => ({
      user_id: index + 1,
      user_name: userName,
      user_name_folded: foldUserName(userName),
      roles: SELLER_ROLE,
      status: ACTIVE_STATUS,
    })),
  );
}

/** Not by the URL class, which does not take the list of hosts of a replica set. */
function withDatabase(url: string, name: string): string {
  return url.replace(/^([^:]+:\/\/[^/?]+)(\/[^?]*)?/, `$1/${name}`);
}
