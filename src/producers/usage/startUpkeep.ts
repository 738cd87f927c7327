import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { JobEnvelope, JobName, Payload } from '../../queues/defineQueue.ts';
import { usageUpkeepQueue } from '../../queues/usage.ts';
import { ServiceUnavailableError, withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

export type UpkeepJob = JobName<typeof usageUpkeepQueue>;

/**
 * Adds the upkeep job of one tick. Any number of schedulers may add the same one: the job's id holds the tick's time,
 * and the queue keeps finished jobs for longer than clocks differ.
 *
 * @param redis - the queue's connection
 * @throws ServiceUnavailableError when Redis is away; the tick may then be dropped
 */
export async function startUpkeep(redis: Redis, queue: Queue, job: UpkeepJob, tick: Date): Promise<void> {
  if (redis.status !== 'ready') {
    // BullMQ would wait for a connection that was never there, and then add ticks that are long over.
    throw new ServiceUnavailableError('Redis is not available; try again in a moment', 2);
  }
  const jobId = `${job}-${tickText(tick)}`;
  const data: JobEnvelope<Payload<typeof usageUpkeepQueue, UpkeepJob>> = {
    payload: {},
    request_ids: [jobId],
  };
  await withRedis(() => queue.add(job, data, { ...jobOptions(usageUpkeepQueue, job), jobId }));
}

/** The second of the tick as `20260105T093000Z`: BullMQ allows no ':' in the id of a job. */
function tickText(tick: Date): string {
  return `${tick.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}
