import type { Job } from 'bullmq';
import { z } from 'zod';
import type { JobContract, QueueContract } from '../queues/defineQueue.ts';

/** A job whose name and data are what its queue's contract says. */
export interface ReadableJob {
  readonly contract: JobContract;
  readonly payload: unknown;
  readonly requestIds: readonly string[];
}

/** What can never succeed, however often it is tried. */
export interface Poison {
  readonly kind: 'dead';
  readonly reason: string;
}

const requestIds = z.array(z.string());
const envelope = z.object({ payload: z.unknown(), request_ids: requestIds });
const traceable = z.object({ request_ids: requestIds });

/** Reads a job as its contract says. */
export function readJob(queue: QueueContract, job: Pick<Job, 'name' | 'data'>): ReadableJob | Poison {
  const contract = contractOf(queue, job.name);
  if (!contract) return poison(`The queue ${queue.name} has no job named ${job.name}`);
  const outer = envelope.safeParse(job.data);
  if (!outer.success) return poison(`Not a job of ours: ${z.prettifyError(outer.error)}`);
  const inner = contract.payload.safeParse(outer.data.payload);
  if (!inner.success) return poison(`The payload is not valid: ${z.prettifyError(inner.error)}`);
  return { contract, payload: inner.data, requestIds: outer.data.request_ids };
}

/** The contract of that job; a name that every object has (`constructor`) is no job. */
export function contractOf(queue: QueueContract, name: string): JobContract | undefined {
  return Object.hasOwn(queue.jobs, name) ? queue.jobs[name] : undefined;
}

/** The ids of the requests that asked for the job, also of one that cannot be read otherwise. */
export function requestIdsOf(job: Job): readonly string[] {
  const read = traceable.safeParse(job.data);
  return read.success ? read.data.request_ids : [];
}

function poison(reason: string): Poison {
  return { kind: 'dead', reason };
}
