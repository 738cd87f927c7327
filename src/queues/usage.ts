import { z } from 'zod';
import { defineJob, defineQueue } from './defineQueue.ts';

const instant = z.int();
const amount = z.int();

/** One accepted report as it stands in a job; `UsageEvent` of the domain says what the fields mean. */
export const usageEventSchema = z.object({
  record_id: z.int().positive(),
  user_id: z.int().positive(),
  received_at: instant,
  at: instant,
  timestamp_sent: z.boolean(),
  image_count: amount,
  image_cost: amount,
  video_count: amount,
  video_cost: amount,
  total_cost: amount,
  event_id: z.string().optional(),
  voids: z.int().positive().optional(),
});

/** Most events of one job: beyond it a bigger job gains nothing, and a retried one costs more. */
export const LARGEST_USAGE_JOB = 100;

/**
 * Accepted usage reports on their way to MongoDB. Many events share a job; the effect's guard is the record id, which
 * is the primary key of the stored row, and the sender's own event id, which is unique for a user.
 */
export const usageQueue = defineQueue({
  name: 'usage',
  family: 'usage',
  jobs: {
    'store-reports': defineJob({
      // The events are checked one by one by the worker: one that does not parse must not sink the others.
      payload: z.object({ events: z.array(z.unknown()).min(1).max(LARGEST_USAGE_JOB) }),
      attempts: 12,
      backoff: { firstMilliseconds: 250, capMilliseconds: 60_000, jitter: 0.5 },
      timeoutMilliseconds: 60_000,
    }),
  },
  // The jobs of one process share transactions, and a bigger one costs less for each event.
  concurrency: 64,
  // A stored report is found by its record id; keeping its job would cost Redis for nothing.
  keepCompleted: 'none',
  // A dead letter of this queue holds reports that were acknowledged.
  keepDead: 'all',
});

/**
 * Copies accepted reports to another server that speaks the usage contract. One job sends what one user has waiting, in
 * the order of acceptance; a report that the other side refuses for good gets a job of its own, whose failure is the
 * dead letter and whose retry posts it again.
 */
export const usageRelayQueue = defineQueue({
  name: 'usage-relay',
  family: 'usage',
  jobs: {
    'relay-user': defineJob({
      payload: z.object({ user_id: z.int().positive() }),
      attempts: 20,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 300_000, jitter: 0.5 },
      timeoutMilliseconds: 120_000,
    }),
    'relay-refused-report': defineJob({
      payload: z.object({ record_id: z.int().positive(), refusal: z.string() }),
      attempts: 1,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 60_000, jitter: 0.5 },
      timeoutMilliseconds: 30_000,
    }),
  },
  concurrency: 8,
  keepCompleted: 'none',
  // A dead letter may be the only trace of a report that was never relayed.
  keepDead: 'all',
});

const upkeepJob = defineJob({
  payload: z.object({}),
  // The next tick does the same again.
  attempts: 3,
  backoff: { firstMilliseconds: 1_000, capMilliseconds: 10_000, jitter: 0.5 },
  timeoutMilliseconds: 300_000,
});

/** What the scheduler starts every minute, to put right what a crash left behind. */
export const usageUpkeepQueue = defineQueue({
  name: 'usage-upkeep',
  family: 'usage',
  jobs: { 'sweep-pending': upkeepJob, 'wake-relay': upkeepJob },
  concurrency: 2,
  // While a finished job is kept, a scheduler whose clock lags cannot add the same tick again.
  keepCompleted: { ageSeconds: 600, count: 100 },
  keepDead: { ageSeconds: 7 * 24 * 3_600, count: 100 },
});
