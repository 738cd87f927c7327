import { once } from 'node:events';
import { Job } from 'bullmq';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { startRedis } from '../../embedded/redis.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { addTrackedJobs } from '../../src/producers/usage/addTrackedJobs.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { usageEvent } from '../support/usageEvent.ts';

/** On a server of its own: what is done to it here would be felt by every other test. */
async function openUsageQueue() {
  const server = await startRedis({ dir: await temporaryFolder() });
  const redis = connectRedis(server.url, 'producer', pino({ level: 'silent' }));
  const queues = openQueues(redis, 'enqueue');
  onTestFinished(async () => {
    await queues.close();
    redis.disconnect();
    await server.stop();
  });
  await once(redis, 'ready');
  const queue = queues.of(usageQueue);
  const pending = new UsagePending(
    redis,
    queuePrefix('enqueue', usageQueue.name),
    new BusinessCalendar('UTC'),
  );
  return {
    redis,
    queue,
    pending,
    enqueue: (...recordIds: number[]) => enqueueEvents(queue, pending, recordIds.map(usageEvent), []),
    async waiting() {
      const hours = (await pending.ofEverybody()).flatMap((group) => group.hours);
      return {
        jobs: await queue.getWaitingCount(),
        runs: await pending.backlog(),
        events: hours.reduce((sum, hour) => sum + hour.image_count, 0n),
      };
    },
  };
}

test('events come into jobs of a hundred, and wait', async () => {
  const { enqueue, waiting } = await openUsageQueue();
  expect(await enqueue(...Array.from({ length: 201 }, (_, index) => index + 1))).toBe(3);
  expect(await waiting()).toEqual({ jobs: 3, runs: 3, events: 201n });
});

test('a Redis that forgot its scripts is told them anew', async () => {
  const { redis, enqueue, waiting } = await openUsageQueue();
  await enqueue(1);
  await redis.script('FLUSH');
  await Promise.all([enqueue(2), enqueue(3)]);
  expect(await waiting()).toEqual({ jobs: 3, runs: 3, events: 3n });
});

test('a Redis whose memory is full is an outage, and nothing is half queued', async () => {
  const { redis, enqueue, waiting } = await openUsageQueue();
  await enqueue(1);
  await redis.config('SET', 'maxmemory', '1');
  await expect(enqueue(2)).rejects.toThrow(ServiceUnavailableError);
  await redis.config('SET', 'maxmemory', '0');
  expect(await waiting()).toEqual({ jobs: 1, runs: 1, events: 1n });
  await enqueue(3);
  expect(await waiting()).toEqual({ jobs: 2, runs: 2, events: 2n });
});

test('what waits can be read while the memory of Redis is full', async () => {
  const { redis, enqueue, waiting } = await openUsageQueue();
  await enqueue(1);
  await redis.config('SET', 'maxmemory', '1');
  expect(await waiting()).toEqual({ jobs: 1, runs: 1, events: 1n });
});

test('a job that BullMQ would add in another way is refused, and nothing is known of it', async () => {
  const { queue, pending, waiting } = await openUsageQueue();
  const job = new Job(queue, 'store-reports', {}, { priority: 1 }, 'prioritized').asJSON();
  const jobs = [{ jobId: 'prioritized', events: [usageEvent(1)], job }];
  await expect(addTrackedJobs(queue, pending, jobs, { ranges: [], groups: [] })).rejects.toThrow(
    'BullMQ would add the job with addPrioritizedJob',
  );
  expect(await waiting()).toEqual({ jobs: 0, runs: 0, events: 0n });
});
