import type { JobName, Payload, QueueContract } from '../queues/defineQueue.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Outcome } from './outcome.ts';

/** What the runner tells a handler about the run besides the payload. */
export interface Run {
  /** Aborts on the job's time-out and when a drain runs out of time. */
  readonly signal: AbortSignal;
  /** Writes lines that carry the queue, the job, the attempt and the request ids. */
  readonly logger: Logger;
  readonly jobId: string;
  readonly requestIds: readonly string[];
  /** 1 on the first run; a dead letter that an operator retries goes on counting. */
  readonly start: number;
}

/** One handler for each job of the queue: a missing one, or one for another payload, does not compile. */
export type Handlers<Queue extends QueueContract> = {
  readonly [Name in JobName<Queue>]: (payload: Payload<Queue, Name>, run: Run) => Promise<Outcome>;
};
