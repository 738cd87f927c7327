import { z } from 'zod';
import { defineJob, defineQueue } from './defineQueue.ts';

const id = z.string().min(1).max(200);

/**
 * From events to deliveries. One job makes an event's delivery for each endpoint that wants it; the sweep starts what was
 * committed to MongoDB and never queued, because a process was killed in between or Redis was away or lost its data.
 */
export const webhooksQueue = defineQueue({
  name: 'webhooks',
  family: 'webhooks',
  jobs: {
    'fan-out-event': defineJob({
      payload: z.object({ event_id: id }),
      attempts: 10,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 300_000, jitter: 0.5 },
      timeoutMilliseconds: 60_000,
    }),
    'sweep-webhooks': defineJob({
      payload: z.object({}),
      // The next tick does the same again.
      attempts: 3,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 10_000, jitter: 0.5 },
      timeoutMilliseconds: 300_000,
    }),
  },
  concurrency: 4,
  // While a finished job is kept, a scheduler whose clock lags cannot add the same tick again.
  keepCompleted: { ageSeconds: 600, count: 1_000 },
  keepDead: { ageSeconds: 7 * 24 * 3_600, count: 1_000 },
});

/**
 * Deliveries on their way to the receivers. A delivery's job comes back for each attempt, postponed; the schedule and the
 * state are in MongoDB. Payloads hold ids only: never a secret, an address or what is sent.
 */
export const webhookDeliveriesQueue = defineQueue({
  name: 'webhook-deliveries',
  family: 'webhooks',
  jobs: {
    deliver: defineJob({
      payload: z.object({ delivery_id: id }),
      // Of runs that fail by a defect; what the receiver does is no failure of the run.
      attempts: 10,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 300_000, jitter: 0.5 },
      timeoutMilliseconds: 60_000,
    }),
  },
  // They wait for receivers most of the time.
  concurrency: 64,
  keepCompleted: 'none',
  // The delivery itself says what became of it.
  keepDead: { ageSeconds: 30 * 24 * 3_600, count: 10_000 },
});
