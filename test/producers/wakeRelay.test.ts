import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wakeRelay, wakeRelayLater } from '../../src/producers/usage/wakeRelay.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const HOUR = 3_600_000;

let redis: Redis;
let queue: Queue;

beforeEach(() => {
  redis = new Redis(process.env.REDIS_URL ?? '', { maxRetriesPerRequest: null });
  queue = new Queue('usage-relay', { connection: redis, prefix: `{${uniqueName('wake')}}` });
});

afterEach(async () => {
  await queue.obliterate({ force: true });
  await queue.close();
  redis.disconnect();
});

test('while a user’s job waits, no other one is added for the same user', async () => {
  await wakeRelay(queue, [1, 2], []);
  await wakeRelay(queue, [1, 2, 3], []);
  expect(await queue.getWaitingCount()).toBe(3);
});

test('a pause never swallows what should be looked at now, and the last pause counts', async () => {
  await wakeRelayLater(queue, 1, HOUR, []);
  await wakeRelayLater(queue, 1, 2 * HOUR, []);
  await wakeRelayLater(queue, 1, 60_000, []);
  await wakeRelay(queue, [1], []);
  expect(await queue.getWaitingCount()).toBe(1);
  const delayed = await queue.getDelayed();
  expect(delayed.map((job) => job.delay)).toEqual([60_000]);
});

test('what is asked for while a user’s job runs follows it, once', async () => {
  let runs = 0;
  const second = Promise.withResolvers<void>();
  const worker = new Worker(
    queue.name,
    async () => {
      runs++;
      if (runs === 1) {
        await wakeRelay(queue, [1], []);
        await wakeRelay(queue, [1], []);
      } else {
        second.resolve();
      }
    },
    { connection: redis, prefix: queue.opts.prefix ?? '' },
  );
  await wakeRelay(queue, [1], []);
  await second.promise;
  await worker.close();
  expect(runs).toBe(2);
  expect(await queue.getJobCounts('wait', 'active', 'delayed')).toEqual({ wait: 0, active: 0, delayed: 0 });
});

test('a later job that asks for a pause again gets it, counted from its own end', async () => {
  const ended = Promise.withResolvers<void>();
  const worker = new Worker(queue.name, () => wakeRelayLater(queue, 1, HOUR, []), {
    connection: redis,
    prefix: queue.opts.prefix ?? '',
  });
  worker.on('completed', () => ended.resolve());
  await wakeRelayLater(queue, 1, 1, []);
  await ended.promise;
  const [next] = await waitFor('the next job', async () => {
    const delayed = await queue.getDelayed();
    return delayed.length > 0 ? delayed : undefined;
  });
  await worker.close();
  expect(next?.delay).toBe(HOUR);
  await wakeRelay(queue, [1], []);
  expect(await queue.getWaitingCount()).toBe(1);
});
