import { z } from 'zod';
import { defineJob, defineQueue } from './defineQueue.ts';

const id = z.string().regex(/^[A-Za-z0-9-]{1,80}$/);

/**
 * One job for each image. The state is in MongoDB: what the provider or a limit makes of an image postpones its job and
 * burns none of its attempts, which count defects only.
 */
export const iconsQueue = defineQueue({
  name: 'icons',
  family: 'icons',
  flow: 'icons',
  jobs: {
    'generate-icon': defineJob({
      payload: z.object({
        image_id: id,
        /** The job of the round that waits for it, which its successor joins; none outside of a flow. */
        round_job: id.optional(),
      }),
      attempts: 5,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 60_000, jitter: 0.5 },
      // The provider's own time limit ends a call long before.
      timeoutMilliseconds: 300_000,
    }),
  },
  // They wait for the provider most of the time; a batch's own concurrency is kept by starting its images one after the other.
  concurrency: 20,
  keepCompleted: 'none',
  keepDead: { ageSeconds: 7 * 24 * 3_600, count: 10_000 },
});

/**
 * Parents of the batches' flows, and upkeep. A queue of its own, so that a batch can be brought to its end while the queue
 * of the images is paused.
 */
export const iconBatchesQueue = defineQueue({
  name: 'icon-batches',
  family: 'icons',
  flow: 'icons',
  jobs: {
    /** Waits for the images of one round of a batch, then closes it. */
    'finish-batch': defineJob({
      payload: z.object({ batch_id: id, round: z.int().positive() }),
      attempts: 20,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 300_000, jitter: 0.5 },
      timeoutMilliseconds: 60_000,
    }),
    'sweep-icons': defineJob({
      payload: z.object({}),
      // The next tick does the same again.
      attempts: 3,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 10_000, jitter: 0.5 },
      timeoutMilliseconds: 300_000,
    }),
  },
  concurrency: 8,
  // While a finished job is kept, a scheduler whose clock lags cannot add the same tick again.
  keepCompleted: { ageSeconds: 600, count: 1_000 },
  keepDead: { ageSeconds: 7 * 24 * 3_600, count: 1_000 },
});
