import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { uniqueName } from '../support/testSystem.ts';
import { usageEvent } from '../support/usageEvent.ts';

const prefix = uniqueName('jobs-of-record');
let redis: Redis;

beforeAll(() => {
  redis = new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: null });
});
afterAll(async () => {
  const keys = await redis.keys(`{${prefix}:*`);
  await redis.del(...keys);
  redis.disconnect();
});

test('finds the job of a record among many repeats of the records before it', async () => {
  const queues = openQueues(redis, prefix);
  const queue = queues.of(usageQueue);
  const calendar = new BusinessCalendar('UTC');
  const pending = new UsagePending(redis, queuePrefix(prefix, usageQueue.name), calendar);
  // Every second event has an id of its sender's, so that a repeat of the batch queues only those again.
  const batch = Array.from({ length: 100 }, (_, index) => event(index + 1, index % 2 === 0));
  await enqueueEvents(queue, pending, batch, []);
  const repeated = batch.filter((each) => each.event_id !== undefined);
  for (let repeat = 0; repeat < 3; repeat++) await enqueueEvents(queue, pending, repeated, []);

  expect(await pending.jobsOfRecord(100)).toHaveLength(1);
  expect(await pending.jobsOfRecord(99)).toHaveLength(4);
  expect(await pending.jobsOfRecord(101)).toEqual([]);
  await queues.close();
});

function event(recordId: number, keyed: boolean): UsageEvent {
  return keyed ? { ...usageEvent(recordId), event_id: `event-${recordId}` } : usageEvent(recordId);
}
