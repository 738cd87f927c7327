import { setTimeout as wait } from 'node:timers/promises';

/**
 * Asks again and again until the answer is there: for conditions of another process that nothing signals.
 *
 * @param ask - gives the value, or undefined while it is not there; what it throws counts as not there yet
 * @param timeoutMilliseconds - only an upper bound, with air for a machine that is slow or stands still for a while
 */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  timeoutMilliseconds = 60_000,
): Promise<T> {
  const until = performance.now() + timeoutMilliseconds;
  let last: unknown;
  while (performance.now() < until) {
    try {
      const value = await ask();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await wait(25);
  }
  throw new Error(`Not within ${timeoutMilliseconds} ms: ${what}`, { cause: last });
}
