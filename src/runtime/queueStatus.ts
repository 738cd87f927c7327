import type { Queue } from 'bullmq';
import { withRedis } from './outage.ts';

/** What stands in one queue right now. */
export interface QueueStatus {
  readonly name: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly failed: number;
  readonly paused: boolean;
  /** Connections of workers to the queue. */
  readonly workers: number;
  /** The job that is next in line, if any waits. */
  readonly oldestWaitingId: string | undefined;
  readonly oldestWaitingMilliseconds: number;
}

/**
 * Reads the status of a queue, in as many steps however full it is.
 *
 * @throws ServiceUnavailableError when Redis is away
 */
export async function readQueueStatus(queue: Queue): Promise<QueueStatus> {
  const [counts, oldest, workers, paused] = await withRedis(() =>
    Promise.all([
      queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed'),
      queue.getJobs(['wait'], 0, 0, true),
      queue.getWorkersCount(),
      queue.isPaused(),
    ]),
  );
  const next = oldest[0];
  return {
    name: queue.name,
    waiting: (counts.wait ?? 0) + (counts.prioritized ?? 0),
    active: counts.active ?? 0,
    delayed: counts.delayed ?? 0,
    failed: counts.failed ?? 0,
    paused,
    workers,
    oldestWaitingId: next?.id,
    oldestWaitingMilliseconds: next ? Math.max(0, Date.now() - next.timestamp) : 0,
  };
}
