import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { pendingKeys, UsagePending } from '../../src/models/usagePending.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { usageQueue } from '../../src/queues/usage.ts';
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

async function reports(): Promise<bigint> {
  const groups = await pending.ofUser(usageEvent(1).user_id);
  return groups.flatMap((group) => group.hours).reduce((sum, hour) => sum + hour.image_count, 0n);
}

test('of jobs that were stored before anybody asked nothing is left', async () => {
  const jobs = [await enqueue(1, 2), await enqueue(3)];
  await pending.settle(jobs);
  expect(await keysLeft()).toBe(0);
});

test('of jobs that somebody asked for before they were stored nothing is left', async () => {
  const asked = await enqueue(1, 2);
  expect(await reports()).toBe(2n);
  const notAsked = await enqueue(3);
  await pending.settle([asked, notAsked]);
  expect(await keysLeft()).toBe(0);
});

test('what is asked for again counts once, and with it what came in between', async () => {
  await enqueue(1, 2);
  expect(await reports()).toBe(2n);
  await enqueue(3);
  expect(await reports()).toBe(3n);
  expect(await reports()).toBe(3n);
});

test('many who ask at the same moment find everything, each thing once', async () => {
  await Promise.all(Array.from({ length: 300 }, (_, index) => enqueue(index * 3 + 1, index * 3 + 2)));
  expect(await Promise.all(Array.from({ length: 20 }, reports))).toEqual(Array(20).fill(600n));
});

test('what is put off for the first who asks is bounded', async () => {
  const events = Array.from({ length: 4_010 }, (_, index) => usageEvent(index * 2 + 1));
  await Promise.all(events.map((event) => enqueueEvents(queues.of(usageQueue), pending, [event], [])));
  const { groups, unsorted } = pendingKeys(prefix);
  expect(await redis.hlen(unsorted)).toBe(4_000);
  expect(await redis.zcard(groups)).toBe(10);
  expect(await reports()).toBe(4_010n);
});
