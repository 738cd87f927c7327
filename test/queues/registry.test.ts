import mongoose from 'mongoose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { type OpenQueues, openQueues, prefixOf } from '../../src/producers/queues.ts';
import { queueContracts } from '../../src/queues/registry.ts';
import type { usageRelayQueue } from '../../src/queues/usage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import type { Handlers } from '../../src/workers/handlers.ts';
import { done } from '../../src/workers/outcome.ts';
import { type WorkerEntry, workerEntries } from '../../src/workers/workers.ts';
import { uniqueName } from '../support/testSystem.ts';

const logger = pino({ level: 'silent' });
const environment = readEnvironment({ ...process.env, REDIS_PREFIX: uniqueName('registry') });
const connection = mongoose.createConnection();
const redis = connectRedis(environment.REDIS_URL, 'worker', logger);
let queues: OpenQueues;
let entries: WorkerEntry[];

beforeAll(() => {
  queues = openQueues(redis, environment.REDIS_PREFIX);
  entries = workerEntries({
    environment,
    connection,
    queues,
    redis,
    logger,
    untilStoresAnswer: () => Promise.resolve(),
  });
});
afterAll(async () => {
  await queues.close();
  redis.disconnect();
  await connection.close();
});

describe('names', () => {
  test('every queue has a name of its own', () => {
    const names = queueContracts.map((queue) => queue.name);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each(queueContracts)(
    '$name: the queue and its jobs have names that Redis keys and URLs take as they are',
    (queue) => {
      for (const name of [queue.name, queue.family, ...Object.keys(queue.jobs)]) {
        expect(name).toMatch(/^[a-z][a-z0-9-]{0,49}$/);
      }
    },
  );

  test('no queue stands under the keys of another', () => {
    const keys = queueContracts.map((queue) => `${prefixOf('millrace', queue)}:${queue.name}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const prefix of queueContracts.map((queue) => prefixOf('millrace', queue)))
      expect(prefix).toMatch(/^\{[^{}]+\}$/);
  });

  test('a family and a queue of another family never share a name, so a worker’s argument means one thing', () => {
    for (const queue of queueContracts) {
      if (queueContracts.some(({ family }) => family === queue.name)) expect(queue.family).toBe(queue.name);
    }
  });
});

describe.each(queueContracts)('$name', (queue) => {
  test('has workers', () => {
    expect(entries.filter((entry) => entry.queue.name === queue.name)).toHaveLength(1);
  });

  test('is open to producers', () => {
    expect(queues.of(queue).name).toBe(queue.name);
    expect(queues.find(queue.name)).toBe(queues.of(queue));
  });

  test('keeps a bounded number of finished jobs', () => {
    for (const name of Object.keys(queue.jobs)) {
      const { removeOnComplete } = jobOptions(queue, name);
      if (removeOnComplete === true) continue;
      expect(removeOnComplete).toEqual({ age: expect.any(Number), count: expect.any(Number) });
    }
  });

  test('tries every job at least once, at growing distances, for a bounded time', () => {
    expect(Object.keys(queue.jobs)).not.toHaveLength(0);
    expect(queue.concurrency).toBeGreaterThan(0);
    for (const job of Object.values(queue.jobs)) {
      expect(job.attempts).toBeGreaterThan(0);
      expect(job.timeoutMilliseconds).toBeGreaterThan(0);
      expect(job.backoff.capMilliseconds).toBeGreaterThanOrEqual(job.backoff.firstMilliseconds);
      expect(job.backoff.jitter).toBeGreaterThanOrEqual(0);
      expect(job.backoff.jitter).toBeLessThanOrEqual(1);
    }
  });
});

test('no worker serves a queue that is not in the registry', () => {
  expect(entries.map((entry) => entry.queue.name).toSorted()).toEqual(
    queueContracts.map((queue) => queue.name).toSorted(),
  );
});

test('a worker that lacks the handler of a job does not compile', () => {
  // @ts-expect-error 'relay-refused-report' is missing
  const lacking: Handlers<typeof usageRelayQueue> = { 'relay-user': () => Promise.resolve(done) };
  expect(Object.keys(lacking)).toEqual(['relay-user']);
});
