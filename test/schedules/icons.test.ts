import { afterEach, beforeEach, expect, test } from 'vitest';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { iconBatchesQueue } from '../../src/queues/icons.ts';
import { iconsSchedule } from '../../src/schedules/icons.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

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

test('ten schedulers give one sweep a tick, every minute', async () => {
  const schedulers = Array.from({ length: 10 }, () => iconsSchedule(system.redis, queues)).flat();
  for (const tick of ['2026-01-05T09:30:00Z', '2026-01-05T09:31:00Z']) {
    await Promise.all(schedulers.map((entry) => entry.onTick(new Date(tick))));
  }
  const waiting = await queues.of(iconBatchesQueue).getWaiting();
  expect(waiting.map((job) => job.id).toSorted()).toEqual([
    'sweep-icons-20260105T093000Z',
    'sweep-icons-20260105T093100Z',
  ]);
  expect(schedulers.every((entry) => entry.cron === '* * * * *')).toBe(true);
});
