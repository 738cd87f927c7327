import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { JobEnvelope, JobName, QueueContract } from '../queues/defineQueue.ts';
import { ServiceUnavailableError, withRedis } from '../runtime/outage.ts';
import { jobOptions } from './jobOptions.ts';

/**
 * Adds a job without payload for one tick of a schedule. Any number of schedulers may add the same one: the job's id
 * holds the tick's time, and the queue has to keep finished jobs for longer than clocks differ.
 *
 * @param redis - the queue's connection
 * @throws ServiceUnavailableError when Redis is away; the tick may then be dropped
 */
export async function addTickJob<Contract extends QueueContract>(
  redis: Redis,
  queue: Queue,
  contract: Contract,
  job: JobName<Contract>,
  tick: Date,
): Promise<void> {
  if (redis.status !== 'ready') {
    // On a connection whose commands wait for Redis, ticks would be added that are long over.
    throw new ServiceUnavailableError('Redis is not available; try again in a moment', 2);
  }
  const jobId = `${job}-${tickText(tick)}`;
  const data: JobEnvelope<Readonly<Record<string, never>>> = { payload: {}, request_ids: [jobId] };
  await withRedis(() => queue.add(job, data, { ...jobOptions(contract, job), jobId }));
}

/** The second of the tick as `20260105T093000Z`: BullMQ allows no ':' in the id of a job. */
function tickText(tick: Date): string {
  return `${tick.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}
