import type { Redis } from 'ioredis';
import { addTickJob } from '../producers/addTickJob.ts';
import type { OpenQueues } from '../producers/queues.ts';
import { creditsUpkeepQueue } from '../queues/credits.ts';
import type { ScheduleEntry } from './startSchedule.ts';

const EVERY_MINUTE = '* * * * *';

/** What the credits ledger does by the clock. */
export function creditsSchedule(redis: Redis, queues: OpenQueues): ScheduleEntry[] {
  const queue = queues.of(creditsUpkeepQueue);
  return [
    {
      name: 'settle-due',
      cron: EVERY_MINUTE,
      onTick: (tick) => addTickJob(redis, queue, creditsUpkeepQueue, 'settle-due', tick),
    },
  ];
}
