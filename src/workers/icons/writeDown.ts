import { setTimeout as wait } from 'node:timers/promises';
import { isOutage } from '../../runtime/outage.ts';
import type { Run } from '../handlers.ts';
import { survivingLostLock } from './liveCall.ts';

const FIRST_WAIT_MILLISECONDS = 100;
const LONGEST_WAIT_MILLISECONDS = 1_000;

/**
 * Writes to MongoDB what is known of a call in this process only. While MongoDB is away it is tried again: given up, the
 * call would be taken for one of unknown outcome, and be paid once more.
 *
 * @param write - may be repeated
 * @param until - of `performance.now()`; no try begins afterwards, but one is always made
 * @throws what the last try has thrown
 */
export async function writeDown(write: () => Promise<void>, until: number, run: Run): Promise<void> {
  const { signal, logger } = survivingLostLock(run);
  for (let pause = FIRST_WAIT_MILLISECONDS; ; pause = Math.min(2 * pause, LONGEST_WAIT_MILLISECONDS)) {
    try {
      return await write();
    } catch (error) {
      if (!isOutage(error) || performance.now() + pause > until) throw error;
      logger.warn({ err: error }, 'The outcome of a call is written down once MongoDB answers');
    }
    await wait(pause, undefined, { signal });
  }
}
