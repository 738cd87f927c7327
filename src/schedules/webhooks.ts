import type { Redis } from 'ioredis';
import { addTickJob } from '../producers/addTickJob.ts';
import type { OpenQueues } from '../producers/queues.ts';
import { webhooksQueue } from '../queues/webhooks.ts';
import type { ScheduleEntry } from './startSchedule.ts';

const EVERY_MINUTE = '* * * * *';

/** What webhooks do by the clock. */
export function webhooksSchedule(redis: Redis, queues: OpenQueues): ScheduleEntry[] {
  const queue = queues.of(webhooksQueue);
  return [
    {
      name: 'sweep-webhooks',
      cron: EVERY_MINUTE,
      onTick: (tick) => addTickJob(redis, queue, webhooksQueue, 'sweep-webhooks', tick),
    },
  ];
}
