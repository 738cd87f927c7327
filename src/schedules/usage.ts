import type { Redis } from 'ioredis';
import type { OpenQueues } from '../producers/queues.ts';
import { startUpkeep } from '../producers/usage/startUpkeep.ts';
import { usageUpkeepQueue } from '../queues/usage.ts';
import type { ScheduleEntry } from './startSchedule.ts';

const EVERY_MINUTE = '* * * * *';

/** What usage tracking does by the clock. */
export function usageSchedule(redis: Redis, queues: OpenQueues): ScheduleEntry[] {
  const queue = queues.of(usageUpkeepQueue);
  return (['sweep-pending', 'wake-relay'] as const).map((job) => ({
    name: job,
    cron: EVERY_MINUTE,
    onTick: (tick) => startUpkeep(redis, queue, job, tick),
  }));
}
