import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { FormPoster, type PostOutcome } from '../support/usageLoad.ts';
import { waitFor } from '../support/waitFor.ts';

/** Servers of this file's own, because it stops them. */
const SECONDS_BEFORE = 2;
const REDIS_AWAY_SECONDS = 30;
const MONGO_AWAY_SECONDS = 8;
const SECONDS_AFTER = 3;
const REQUESTS_PER_SECOND = 200;
const LONGEST_ANSWER_MILLISECONDS = 2_000;

const seller = { user_id: 7, user_name: 'outage.seller' };

let dir: string;
let redis: EmbeddedServer;
let mongo: EmbeddedServer;
let system: TestSystem;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-outage-'));
  redis = await startRedis({ dir: join(dir, 'redis') });
  mongo = await startMongo({ dir: join(dir, 'mongo') });
  system = await createTestSystem('outage', { redisUrl: redis.url, mongoUrl: mongo.url });
  await system.addUsers([seller]);
});

afterAll(async () => {
  await system.remove();
  await redis.stop();
  await mongo.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('a store that is away under load', () => {
  test('Redis stopped: 200 or 503 in time, and all that got 200 is stored once', async () => {
    await underLoad('redis-stopped', async () => {
      const { port } = redis;
      await redis.stop();
      await wait(REDIS_AWAY_SECONDS * 1_000);
      redis = await startRedis({ dir: join(dir, 'redis'), port });
    });
  });

  test('MongoDB killed: 200 or 503 in time, and all that got 200 is stored once', async () => {
    await underLoad('mongo-killed', async () => {
      const { port } = mongo;
      process.kill(mongo.pid, 'SIGKILL');
      await mongo.exited;
      await wait(MONGO_AWAY_SECONDS * 1_000);
      mongo = await startMongo({ dir: join(dir, 'mongo'), port });
    });
  });

  test('Redis hanging: 200 or 503 in time, and all that got 200 is stored once', async () => {
    await underLoad('redis-hanging', async () => {
      process.kill(redis.pid, 'SIGSTOP');
      await wait(MONGO_AWAY_SECONDS * 1_000);
      process.kill(redis.pid, 'SIGCONT');
    });
  });
});

async function underLoad(label: string, outage: () => Promise<void>): Promise<void> {
  const web = await system.startWeb();
  const worker = await system.startWorker();
  const poster = new FormPoster(() => `${web.url}/api/tools/update`);
  const posts: Promise<PostOutcome & { eventId: string }>[] = [];
  const loading = setInterval(() => {
    for (let burst = 0; burst < REQUESTS_PER_SECOND / 50; burst++) {
      const eventId = `${label}-${posts.length}`;
      posts.push(
        poster
          .post({ userName: seller.user_name, event_id: eventId, image_cost: '0.0609' })
          .then((outcome) => ({ ...outcome, eventId })),
      );
    }
  }, 20);
  await wait(SECONDS_BEFORE * 1_000);
  await outage();
  await wait(SECONDS_AFTER * 1_000);
  clearInterval(loading);
  const outcomes = await Promise.all(posts);
  poster.close();

  const statuses = Map.groupBy(outcomes, (outcome) => outcome.status);
  const errors = web.lines.filter((line) => line.includes('"level":"error"')).join('\n');
  expect([...statuses.keys()].sort(), errors).toEqual([200, 503]);
  expect(Math.max(...outcomes.map((outcome) => outcome.milliseconds))).toBeLessThan(
    LONGEST_ANSWER_MILLISECONDS,
  );
  expect((statuses.get(503) ?? []).every((outcome) => Number(outcome.retryAfter) > 0)).toBe(true);
  expect(outcomes.at(-1)?.status, 'it has recovered').toBe(200);

  const acknowledged = (statuses.get(200) ?? []).map((outcome) => outcome.eventId);
  const records = system.connection.collection('usage_records');
  const stored = await waitFor(
    'all that was acknowledged is stored',
    async () => {
      const found = await records.find({ event_id: { $regex: `^${label}-` } }).toArray();
      const ids = new Set(found.map((record) => String(record['event_id'])));
      expect(ids.size, 'nothing twice').toBe(found.length);
      return acknowledged.every((id) => ids.has(id)) ? found.length : undefined;
    },
    240_000,
  );
  console.log(
    `${label}: ${outcomes.length} requests, ${acknowledged.length} got 200, ${outcomes.length - acknowledged.length} got 503, ${stored} stored, ` +
      `slowest ${Math.round(Math.max(...outcomes.map((outcome) => outcome.milliseconds)))} ms`,
  );
  await worker.stop();
  await web.stop();
}
