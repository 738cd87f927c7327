import type { JobsOptions } from 'bullmq';
import type { JobName, QueueContract, Retention } from '../queues/defineQueue.ts';

/** The options that a job's contract promises, for BullMQ. The worker's backoff strategy reads the contract itself. */
export function jobOptions<Queue extends QueueContract>(queue: Queue, name: JobName<Queue>): JobsOptions {
  const contract = queue.jobs[name];
  if (!contract) throw new Error(`The queue ${queue.name} has no job ${name}`);
  return {
    attempts: contract.attempts,
    backoff: { type: 'custom' },
    removeOnComplete: queue.keepCompleted === 'none' ? true : keep(queue.keepCompleted),
    removeOnFail: queue.keepDead === 'all' ? false : keep(queue.keepDead),
  };
}

function keep(retention: Retention): { age: number; count: number } {
  return { age: retention.ageSeconds, count: retention.count };
}
