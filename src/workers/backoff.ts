import type { Backoff } from '../queues/defineQueue.ts';

/**
 * Wait before the next attempt, in milliseconds: exponential, capped, and spread so that jobs that failed together do
 * not come back together.
 *
 * @param failures - failed runs so far, 1 or more
 * @param random - 0 (inclusive) to 1 (exclusive)
 */
export function backoffDelay(backoff: Backoff, failures: number, random: number = Math.random()): number {
  const full = Math.min(backoff.firstMilliseconds * 2 ** Math.min(failures - 1, 52), backoff.capMilliseconds);
  return Math.round(full * (1 - backoff.jitter * random));
}
