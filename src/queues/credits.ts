import { z } from 'zod';
import { defineJob, defineQueue } from './defineQueue.ts';

/** What the scheduler starts every minute: holds that are overdue give back their credits, lapsed grants go. */
export const creditsUpkeepQueue = defineQueue({
  name: 'credits-upkeep',
  family: 'credits',
  jobs: {
    'settle-due': defineJob({
      payload: z.object({}),
      // The next tick does the same again.
      attempts: 3,
      backoff: { firstMilliseconds: 1_000, capMilliseconds: 10_000, jitter: 0.5 },
      timeoutMilliseconds: 300_000,
    }),
  },
  concurrency: 1,
  // While a finished job is kept, a scheduler whose clock lags cannot add the same tick again.
  keepCompleted: { ageSeconds: 600, count: 100 },
  keepDead: { ageSeconds: 7 * 24 * 3_600, count: 100 },
});
