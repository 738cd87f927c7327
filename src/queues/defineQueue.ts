/**
 * The vocabulary of the queue contracts. Data only: nothing here opens a connection.
 *
 * To rename a job: add the new name beside the old one, let the workers know both, move the producers over, and drop
 * the old name once no queue holds it any more. A name in Redis outlives the release that wrote it.
 */
import type { z } from 'zod';

/** What one job promises: the shape of its payload and how it is run. */
export interface JobContract<Schema extends z.ZodType = z.ZodType> {
  readonly payload: Schema;
  /** Failed runs before the job becomes a dead letter. Outages, drains and rescues are not failed runs. */
  readonly attempts: number;
  readonly backoff: Backoff;
  /** A run that takes longer is aborted and counts as failed. */
  readonly timeoutMilliseconds: number;
}

/** Exponential with a cap: `min(cap, first * 2^(attempt-1))`, of which up to `jitter` (0 to 1) is taken off at random. */
export interface Backoff {
  readonly firstMilliseconds: number;
  readonly capMilliseconds: number;
  readonly jitter: number;
}

/** How long finished jobs stay readable. Evicted only when another job of the queue finishes. */
export interface Retention {
  readonly ageSeconds: number;
  readonly count: number;
}

/** One queue with all the jobs that may stand in it. */
export interface QueueContract<Jobs extends Record<string, JobContract> = Record<string, JobContract>> {
  readonly name: string;
  /** The domain; a worker process can be started for one family. */
  readonly family: string;
  readonly jobs: Jobs;
  /** Queues whose jobs are parents and children of each other share the name of a flow, and with it a slot of a Redis Cluster. */
  readonly flow?: string;
  /** Jobs that one worker process runs at a time. */
  readonly concurrency: number;
  /** Finished jobs; `none` where the effect can be looked up elsewhere. */
  readonly keepCompleted: Retention | 'none';
  /** Dead letters; `all` where losing one would lose what was acknowledged. */
  readonly keepDead: Retention | 'all';
}

export type JobName<Queue extends QueueContract> = Extract<keyof Queue['jobs'], string>;

export type Payload<Queue extends QueueContract, Name extends JobName<Queue>> = z.infer<
  Queue['jobs'][Name]['payload']
>;

/** Keeps the schema's type with its contract. */
export function defineJob<Schema extends z.ZodType>(contract: JobContract<Schema>): JobContract<Schema> {
  return contract;
}

/** Keeps the names and payloads of the jobs with their queue. */
export function defineQueue<Jobs extends Record<string, JobContract>>(
  contract: QueueContract<Jobs>,
): QueueContract<Jobs> {
  return contract;
}

/**
 * What stands in Redis as a job's data: the payload, and the ids of the requests that asked for it, so that every log
 * line of the job can be traced back to them.
 */
export interface JobEnvelope<P = unknown> {
  readonly payload: P;
  readonly request_ids: readonly string[];
}
