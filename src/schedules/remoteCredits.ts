import type { Redis } from 'ioredis';
import { addTickJob } from '../producers/addTickJob.ts';
import type { OpenQueues } from '../producers/queues.ts';
import { remoteCreditsQueue } from '../queues/remoteCredits.ts';
import type { ScheduleEntry } from './startSchedule.ts';

const EVERY_MINUTE = '* * * * *';

/** What credits on another server need by the clock. */
export function remoteCreditsSchedule(redis: Redis, queues: OpenQueues): ScheduleEntry[] {
  const queue = queues.of(remoteCreditsQueue);
  return [
    {
      name: 'tidy-remote-credits',
      cron: EVERY_MINUTE,
      onTick: (tick) => addTickJob(redis, queue, remoteCreditsQueue, 'tidy-remote-credits', tick),
    },
  ];
}
