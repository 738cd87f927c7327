import type { Logger } from 'pino';
import type { JobName, Payload, QueueContract } from '../queues/defineQueue.ts';
import type { JsonValue, Outcome } from './outcome.ts';

/** How far a job is: a percentage, or figures of its own such as `{ done: 3, total: 10 }`. */
export type Progress = number | { readonly [key: string]: JsonValue };

/** What the runner tells a handler about the run besides the payload. */
export interface Run {
  /**
   * Aborts on the job's time-out, when a drain runs out of time, and when the job's lock is lost. A handler that ignores it
   * goes on unheard: the job has left its hands.
   */
  readonly signal: AbortSignal;
  /** Writes lines that carry the queue, the job, the attempt and the request ids. */
  readonly logger: Logger;
  readonly jobId: string;
  readonly requestIds: readonly string[];
  /** 1 until a run has failed, however often the job was postponed or rescued; an operator's retry goes on counting. */
  readonly attempt: number;
  /**
   * Tells those who look at the job how far it is; the latest value stands.
   *
   * @throws the signal's reason once the run was aborted
   */
  readonly progress: (progress: Progress) => Promise<void>;
  /**
   * Does what must not be cut off by a stop, such as a call that is paid: a drain has more time for it. Begins nothing
   * once the run was aborted or the worker is stopping.
   *
   * @throws the reason why it does not begin, and what the work throws
   */
  readonly seeThrough: <T>(work: () => Promise<T>) => Promise<T>;
}

/** One handler for each job of the queue: a missing one, or one for another payload, does not compile. */
export type Handlers<Queue extends QueueContract> = {
  readonly [Name in JobName<Queue>]: (payload: Payload<Queue, Name>, run: Run) => Promise<Outcome>;
};
