import type { Redis } from 'ioredis';
import { addTickJob } from '../producers/addTickJob.ts';
import type { OpenQueues } from '../producers/queues.ts';
import { iconBatchesQueue } from '../queues/icons.ts';
import type { ScheduleEntry } from './startSchedule.ts';

const EVERY_MINUTE = '* * * * *';

/** What icons do by the clock. */
export function iconsSchedule(redis: Redis, queues: OpenQueues): ScheduleEntry[] {
  const queue = queues.of(iconBatchesQueue);
  return [
    {
      name: 'sweep-icons',
      cron: EVERY_MINUTE,
      onTick: (tick) => addTickJob(redis, queue, iconBatchesQueue, 'sweep-icons', tick),
    },
  ];
}
