import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';

/** The queue of the design that has one job for each event. */
export const NAIVE_QUEUE = { name: 'naive', prefix: '{bench:naive}', job: 'store-report' } as const;

/** Where its worker puts the rows. */
export const NAIVE_COLLECTION = 'naive_records';

/** Completed jobs are not kept, which is the cheapest. */
export function openNaiveQueue(redis: Redis): Queue {
  return new Queue(NAIVE_QUEUE.name, {
    connection: redis,
    prefix: NAIVE_QUEUE.prefix,
    defaultJobOptions: { removeOnComplete: true },
  });
}
