import { afterEach, beforeEach, expect, test } from 'vitest';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { startUpkeep } from '../../src/producers/usage/startUpkeep.ts';
import { usageUpkeepQueue } from '../../src/queues/usage.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { usageSchedule } from '../../src/schedules/usage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

let system: TestSystem;
let queues: OpenQueues;

beforeEach(async () => {
  system = await createTestSystem('schedule');
  queues = openQueues(system.redis, system.prefix);
});

afterEach(async () => {
  await queues.close();
  await system.remove();
});

test('ten schedulers give one job a tick, also when one of them comes after the job is done', async () => {
  const queue = queues.of(usageUpkeepQueue);
  const tick = new Date('2026-01-05T09:30:00Z');
  const schedulers = Array.from({ length: 10 }, () => usageSchedule(system.redis, queues));
  await Promise.all(schedulers.flat().map((entry) => entry.onTick(tick)));
  const waiting = await queue.getWaiting();
  expect(waiting.map((job) => job.id).sort()).toEqual([
    'sweep-pending-20260105T093000Z',
    'wake-relay-20260105T093000Z',
  ]);

  const stop = await startLocalWorkers(system, {}, ['usage-upkeep']);
  await waitFor('the jobs’ end', async () => ((await queue.getCompletedCount()) === 2 ? true : undefined));
  for (const entry of usageSchedule(system.redis, queues)) await entry.onTick(tick);
  await stop();
  expect(await queue.getJobCounts('wait', 'completed', 'failed')).toEqual({
    wait: 0,
    completed: 2,
    failed: 0,
  });
});

test('without Redis a tick is dropped and waits for nothing', async () => {
  const redis = connectRedis('redis://127.0.0.1:1', 'producer', createLogger('scheduler', 'silent'));
  const away = openQueues(redis, system.prefix);
  await expect(startUpkeep(redis, away.of(usageUpkeepQueue), 'wake-relay', new Date())).rejects.toThrow(
    ServiceUnavailableError,
  );
  redis.disconnect();
});

test('the process starts without its stores, says what is wrong with its settings, and drains', async () => {
  const scheduler = startProcess('src/schedules/main.ts', {
    ...system.environment,
    REDIS_URL: 'redis://127.0.0.1:1',
  });
  await scheduler.line((line) => line.includes('The scheduler runs'));
  scheduler.kill('SIGTERM');
  expect(await scheduler.exited).toEqual({ code: 0, signal: null });

  const misled = startProcess('src/schedules/main.ts', { ...system.environment, REDIS_URL: 'nonsense' });
  await misled.line((line) => line.includes('REDIS_URL is a redis:// or rediss:// address'));
  expect(await misled.exited).toEqual({ code: 78, signal: null });
});
