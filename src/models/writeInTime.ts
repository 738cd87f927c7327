import { ServiceUnavailableError } from '../runtime/outage.ts';

/**
 * The two limits of a write for which a client waits. Together they are less than the client is kept waiting, so that
 * whoever is told to come back has changed nothing: what has waited longer is not begun, and what is not ready to be
 * committed by then, because of other transactions or a slow MongoDB, is given up. The rest is for the commit.
 */
const LONGEST_WAIT_MILLISECONDS = 600;
export const LONGEST_WRITE_MILLISECONDS = 700;

/** The write has waited so long that the client is being told to come back. */
export class TooLateToBeginError extends ServiceUnavailableError {
  override name = 'TooLateToBeginError';

  constructor() {
    super('Too much is waiting to be written; try again in a moment', 2);
  }
}

/** @param since - when the client began to wait, in `performance.now()` */
export function whyNotBegin(since: number): TooLateToBeginError | undefined {
  return performance.now() - since > LONGEST_WAIT_MILLISECONDS ? new TooLateToBeginError() : undefined;
}

/**
 * What is left of the time for a write that shares it with what was done before.
 *
 * @param since - when that began, in `performance.now()`
 */
export function timeToWrite(since: number): number {
  return LONGEST_WRITE_MILLISECONDS - (performance.now() - since);
}
