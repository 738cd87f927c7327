import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import mongoose, { type Connection } from 'mongoose';
import { prepareCollections } from '../../src/models/collections.ts';
import { startProcess, type TestProcess } from './processes.ts';
import { waitFor } from './waitFor.ts';

/** A name that no other test has. */
export function uniqueName(label: string): string {
  return `${label}-${randomBytes(5).toString('hex')}`;
}

export interface TestSeller {
  readonly user_id: number;
  readonly user_name: string;
  readonly roles?: number;
  readonly status?: number;
}

/** A system of one test file: its own database and key prefix, on the servers of the run or on given ones. */
export interface TestSystem {
  readonly prefix: string;
  readonly mongoUrl: string;
  readonly redisUrl: string;
  readonly adminKey: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly connection: Connection;
  readonly redis: Redis;
  addUsers(users: readonly TestSeller[]): Promise<void>;
  /** A web process that is connected to both stores. */
  startWeb(environment?: Readonly<Record<string, string>>): Promise<TestProcess & { readonly url: string }>;
  startWorker(
    environment?: Readonly<Record<string, string>>,
    names?: readonly string[],
  ): Promise<TestProcess>;
  /** Stops every process that was started and removes the database and the keys. */
  remove(): Promise<void>;
}

/**
 * @param servers - addresses of servers of the test's own; by default the ones of the run
 */
export async function createTestSystem(
  label: string,
  servers: { readonly redisUrl?: string; readonly mongoUrl?: string } = {},
): Promise<TestSystem> {
  const prefix = uniqueName(label.toLowerCase());
  const redisUrl = servers.redisUrl ?? required('REDIS_URL');
  const mongoUrl = withDatabase(servers.mongoUrl ?? required('MONGODB_URL'), prefix);
  const adminKey = randomBytes(24).toString('base64url');
  const environment = {
    REDIS_URL: redisUrl,
    MONGODB_URL: mongoUrl,
    REDIS_PREFIX: prefix,
    ADMIN_API_KEY: adminKey,
    PORT: '0',
    LOG_LEVEL: 'info',
    DRAIN_TIMEOUT_SECONDS: '60',
    // Tests of other things send more than anybody should.
    RATE_LIMIT_PER_MINUTE: '100000000',
  };
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const connection = await mongoose
    .createConnection(mongoUrl, { autoIndex: false, autoCreate: false })
    .asPromise();
  await prepareCollections(connection);
  const processes: TestProcess[] = [];

  return {
    prefix,
    mongoUrl,
    redisUrl,
    adminKey,
    environment,
    connection,
    redis,
    async addUsers(users) {
      await connection.collection('users').insertMany(
        users.map((user) => ({
          user_id: user.user_id,
          user_name: user.user_name,
          user_name_folded: user.user_name.toLowerCase(),
          roles: user.roles ?? 3,
          status: user.status ?? 1,
        })),
      );
    },
    async startWeb(more = {}) {
      const web = startProcess('src/api/main.ts', { ...environment, ...more });
      processes.push(web);
      const line = await web.line((text) => text.includes('The API listens'));
      const { address } = JSON.parse(line);
      await waitFor('the web process is connected', () => isConnected(address));
      return Object.assign(web, { url: String(address) });
    },
    async startWorker(more = {}, names = []) {
      const worker = startProcess('src/workers/main.ts', { ...environment, ...more }, names);
      processes.push(worker);
      await worker.line((text) => text.includes('The workers take jobs'));
      return worker;
    },
    async remove() {
      for (const running of processes) running.kill('SIGKILL');
      await Promise.all(processes.map((ended) => ended.exited));
      await connection.dropDatabase();
      await connection.close();
      await removeKeys(redis, prefix);
      redis.disconnect();
    },
  };
}

/** Readiness is more than that: a queue that does not move, for want of a worker, is not ready. */
async function isConnected(address: string): Promise<true | undefined> {
  const { checks } = JSON.parse(await (await fetch(`${address}/readyz`)).text());
  const stores = checks.filter((check: { name: string }) => ['redis', 'mongodb'].includes(check.name));
  return stores.every((check: { ok: boolean }) => check.ok) ? true : undefined;
}

async function removeKeys(redis: Redis, prefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `{${prefix}:*`, count: 1_000 })) {
    if (keys.length > 0) await redis.unlink(...keys);
  }
}

function withDatabase(url: string, name: string): string {
  const address = new URL(url);
  address.pathname = `/${name}`;
  return address.toString();
}

function required(variable: 'REDIS_URL' | 'MONGODB_URL'): string {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set; run the tests with npm test`);
  return value;
}
