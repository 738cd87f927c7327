import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { withRedis } from './outage.ts';

/**
 * Which of the jobs are in the queue, in whatever state. Reads none of their data.
 *
 * @throws ServiceUnavailableError when Redis is away
 */
export async function existingJobs(
  redis: Redis,
  queue: Queue,
  jobIds: Iterable<string>,
): Promise<Set<string>> {
  const ids = [...new Set(jobIds)];
  const found = await withRedis(() => Promise.all(ids.map((id) => redis.exists(queue.toKey(id)))));
  return new Set(ids.filter((_, index) => found[index] === 1));
}
