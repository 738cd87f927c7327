import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { JobName } from '../../queues/defineQueue.ts';
import { usageUpkeepQueue } from '../../queues/usage.ts';
import { addTickJob } from '../addTickJob.ts';

export type UpkeepJob = JobName<typeof usageUpkeepQueue>;

/**
 * Adds the upkeep job of one tick. Any number of schedulers may add the same one.
 *
 * @param redis - the queue's connection
 * @throws ServiceUnavailableError when Redis is away; the tick may then be dropped
 */
export function startUpkeep(redis: Redis, queue: Queue, job: UpkeepJob, tick: Date): Promise<void> {
  return addTickJob(redis, queue, usageUpkeepQueue, job, tick);
}
