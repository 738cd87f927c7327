import { DelayedError, type Job, Worker } from 'bullmq';
import { isOutage } from '../runtime/outage.ts';

/** How long a job waits that met an outage. */
export const OUTAGE_DELAY_MILLISECONDS = 1_000;

/**
 * BullMQ takes a Redis that refuses to note the end of a run for a failure of the run, and burns an attempt as soon as it may
 * write again. Here the job is postponed instead; when Redis refuses that too, it is run again when its lock has run out.
 */
export class OutageWorker extends Worker {
  protected override async handleFailed(
    error: Error,
    job: Job,
    token: string,
    fetchNext?: () => boolean,
  ): Promise<Job> {
    if (!isOutage(error)) return super.handleFailed(error, job, token, fetchNext);
    this.emit('error', error);
    await job.moveToDelayed(Date.now() + OUTAGE_DELAY_MILLISECONDS, token).catch(() => undefined);
    return super.handleFailed(new DelayedError('a store is away'), job, token, () => false);
  }
}
