import { once } from 'node:events';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { pendingKeys, UsagePending } from '../../src/models/usagePending.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { openRedisLink } from '../support/redisLink.ts';
import { uniqueName } from '../support/testSystem.ts';
import { usageEvent } from '../support/usageEvent.ts';

let redis: Redis;
let queues: OpenQueues;
let prefix: string;
let pending: UsagePending;

beforeEach(() => {
  redis = new Redis(String(process.env.REDIS_URL), { maxRetriesPerRequest: null });
  const installation = uniqueName('usage-pending');
  queues = openQueues(redis, installation);
  prefix = queuePrefix(installation, usageQueue.name);
  pending = new UsagePending(redis, prefix, new BusinessCalendar('UTC'));
});
afterEach(async () => {
  await queues.of(usageQueue).obliterate({ force: true });
  await redis.del(...Object.values(pendingKeys(prefix)));
  await queues.close();
  redis.disconnect();
});

/** One job of events with these record ids, all of the same user. */
async function enqueue(...recordIds: number[]) {
  const events = recordIds.map(usageEvent);
  await enqueueEvents(queues.of(usageQueue), pending, events, []);
  const [jobId = ''] = await pending.jobsOfRecord(recordIds[0] ?? 0);
  return { jobId, events };
}

async function keysLeft(): Promise<number> {
  return redis.exists(...Object.values(pendingKeys(prefix)));
}

/** Jobs of one event each. */
function enqueueEach(count: number) {
  return Promise.all(Array.from({ length: count }, (_, index) => enqueue(index * 2 + 1)));
}

async function reports(reader = pending): Promise<bigint> {
  const groups = await reader.ofUser(usageEvent(1).user_id);
  return groups.flatMap((group) => group.hours).reduce((sum, hour) => sum + hour.image_count, 0n);
}

test('of jobs that were stored before anybody asked nothing is left', async () => {
  const jobs = [await enqueue(1, 2), await enqueue(3)];
  await pending.settle(jobs);
  expect(await keysLeft()).toBe(0);
});

test('who asks finds few jobs where they are, and sorts many in', async () => {
  const { groups, unsorted } = pendingKeys(prefix);
  await enqueueEach(50);
  expect(await reports()).toBe(50n);
  expect([await redis.hlen(unsorted), await redis.zcard(groups)]).toEqual([50, 0]);
  await enqueue(1_000);
  expect(await reports()).toBe(51n);
  expect([await redis.hlen(unsorted), await redis.zcard(groups)]).toEqual([1, 50]);
});

test('of jobs that were sorted in before they were stored nothing is left', async () => {
  const jobs = await enqueueEach(60);
  expect(await reports()).toBe(60n);
  await pending.settle([...jobs, await enqueue(1_000)]);
  expect(await keysLeft()).toBe(0);
});

test('what is queued again with another job counts once, sorted in or not', async () => {
  const event = { ...usageEvent(1), event_id: 'again' };
  const queueIt = () => enqueueEvents(queues.of(usageQueue), pending, [event], []);
  await queueIt();
  await queueIt();
  expect(await reports()).toBe(1n);
  await pending.sortIn();
  await queueIt();
  expect(await reports()).toBe(1n);
});

test('what is put off for the first who asks is bounded', async () => {
  await enqueueEach(4_010);
  const { groups, unsorted } = pendingKeys(prefix);
  expect([await redis.hlen(unsorted), await redis.zcard(groups)]).toEqual([4_000, 10]);
  expect(await reports()).toBe(4_010n);
});

test('who asks gets an answer however fast others write, with all that was there before', async () => {
  const stop = new AbortController();
  let recordId = 100_000;
  const write = async () => {
    while (!stop.signal.aborted)
      await enqueueEvents(queues.of(usageQueue), pending, [usageEvent(recordId++)], []);
  };
  await enqueueEach(4_000);
  const writers = Array.from({ length: 16 }, write);
  const found = await Promise.all(Array.from({ length: 5 }, () => reports()));
  stop.abort();
  await Promise.all(writers);
  expect(Math.min(...found.map(Number))).toBeGreaterThanOrEqual(4_000);
  expect(await reports()).toBe(BigInt(4_000 + recordId - 100_000));
});

test('who asks while jobs are replaced by others sees each event once, never none', async () => {
  const own = redis.duplicate();
  onTestFinished(() => own.disconnect());
  const reader = new UsagePending(own, prefix, new BusinessCalendar('UTC'));
  const jobs = await enqueueEach(40);
  let replacing = true;
  const seen = new Set<bigint>();
  const read = async () => {
    while (replacing) seen.add(await reports(reader));
  };
  const readers = Array.from({ length: 4 }, read);
  for (let { jobId, events } of jobs) {
    for (let times = 0; times < 5; times++) {
      const replaced = await pending.entriesOfJob(jobId);
      await enqueueEvents(queues.of(usageQueue), pending, events, [], replaced);
      const recordId = events[0]?.record_id ?? 0;
      [jobId = ''] = await pending.jobsOfRecord(recordId);
      events = [usageEvent(recordId)];
    }
  }
  replacing = false;
  await Promise.all(readers);
  expect(seen).toEqual(new Set([40n]));
});

test('a write that a worker sends again, because the answer was lost, counts once', async () => {
  const link = await openRedisLink(String(process.env.REDIS_URL));
  const worker = connectRedis(link.url, 'worker', pino({ level: 'silent' }));
  onTestFinished(async () => {
    worker.disconnect();
    await link.close();
  });
  await once(worker, 'ready');
  const own = new UsagePending(worker, prefix, new BusinessCalendar('UTC'));
  link.breakAfter(0);
  expect(await enqueueEvents(queues.of(usageQueue), own, [usageEvent(1)], [])).toBe(1);
  expect(await queues.of(usageQueue).getWaitingCount()).toBe(1);
  expect(await reports()).toBe(1n);
});
