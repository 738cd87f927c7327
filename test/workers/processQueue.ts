import { z } from 'zod';
import { defineJob, defineQueue } from '../../src/queues/defineQueue.ts';

const backoff = { firstMilliseconds: 20, capMilliseconds: 60, jitter: 0.5 };
/** `until` is a file: the job that stands still does so until it is there. */
const payload = z.object({ until: z.string() });
const job = defineJob({ payload, attempts: 2, backoff, timeoutMilliseconds: 60_000 });

/** The queue of the worker processes that the tests kill, stop and restart. */
export const processQueue = defineQueue({
  name: 'process',
  family: 'tests',
  jobs: { hold: job, crash: job, 'stand-still': job },
  concurrency: 2,
  keepCompleted: { ageSeconds: 3_600, count: 1_000 },
  keepDead: 'all',
});
