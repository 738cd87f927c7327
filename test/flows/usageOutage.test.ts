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

const CLIENTS = 150;
/** After each answer; together they post 200 reports a second, or as many as the machine can. */
const PAUSE_MILLISECONDS = 750;
/** With the pauses between them that makes an outage of thirty seconds at least. */
const REFUSALS_WITHOUT_REDIS = 40;
/** The promise is two seconds; the rest is for a machine that is slow, or stands still for a moment. */
const LONGEST_ANSWER_MILLISECONDS = 4_000;

const seller = { user_id: 7, user_name: 'outage.seller' };

/** Servers of this file's own, because it stops them. */
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
    await underLoad('redis-stopped', async (refusals) => {
      const { port } = redis;
      await redis.stop();
      await refusals(REFUSALS_WITHOUT_REDIS);
      redis = await startRedis({ dir: join(dir, 'redis'), port });
    });
  });

  test('MongoDB killed: 200 or 503 in time, and all that got 200 is stored once', async () => {
    await underLoad('mongo-killed', async (refusals) => {
      const { port } = mongo;
      process.kill(mongo.pid, 'SIGKILL');
      await mongo.exited;
      await refusals(8);
      mongo = await startMongo({ dir: join(dir, 'mongo'), port });
    });
  });

  test('Redis hanging: 200 or 503 in time, and all that got 200 is stored once', async () => {
    await underLoad('redis-hanging', async (refusals) => {
      process.kill(redis.pid, 'SIGSTOP');
      await refusals(5);
      process.kill(redis.pid, 'SIGCONT');
    });
  });
});

/** @param outage - is given what waits until every client was refused so often */
async function underLoad(
  label: string,
  outage: (refusals: (number: number) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const web = await system.startWeb();
  const worker = await system.startWorker();
  const poster = new FormPoster(() => `${web.url}/api/tools/update`);
  const outcomes: (PostOutcome & { readonly eventId: string })[] = [];
  const over = new AbortController();
  const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(`${label}-${number}`));
  const running = clients.map(async (client) => {
    while (!over.signal.aborted) {
      outcomes.push(await client.post(poster));
      await wait(PAUSE_MILLISECONDS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  });
  const everyClient = (what: string, isSo: (client: Client) => boolean) =>
    waitFor(what, async () => clients.every(isSo) || undefined, 240_000);

  await everyClient('everybody is served', ({ served }) => served > 2);
  await outage((number) => {
    for (const client of clients) client.refused = 0;
    return everyClient(`everybody is refused ${number} times`, ({ refused }) => refused >= number);
  });
  for (const client of clients) client.served = 0;
  await everyClient('everybody is served again', ({ served }) => served > 2);
  over.abort();
  await Promise.all(running);
  poster.close();

  const statuses = Map.groupBy(outcomes, (outcome) => outcome.status);
  const errors = [
    ...(statuses.get(0) ?? []).map(({ body }) => body),
    ...web.lines.filter((line) => line.includes('"level":"error"')),
  ].join('\n');
  expect([...statuses.keys()].sort(), errors).toEqual([200, 503]);
  expect(Math.max(...outcomes.map((outcome) => outcome.milliseconds))).toBeLessThan(
    LONGEST_ANSWER_MILLISECONDS,
  );
  expect((statuses.get(503) ?? []).every((outcome) => Number(outcome.retryAfter) > 0)).toBe(true);

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

/** Posts one report after the other. */
class Client {
  served = 0;
  refused = 0;
  #posted = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async post(poster: FormPoster): Promise<PostOutcome & { readonly eventId: string }> {
    const eventId = `${this.#name}-${this.#posted++}`;
    const fields = { userName: seller.user_name, event_id: eventId, image_cost: '0.0609' };
    const outcome = await poster.post(fields);
    if (outcome.status === 200) this.served += 1;
    if (outcome.status === 503) this.refused += 1;
    return { ...outcome, eventId };
  }
}
