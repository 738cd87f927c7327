import { isOutage } from './outage.ts';

/**
 * Does the work as soon as the stores answer, and again from its beginning when they go away in between.
 *
 * @param untilStoresAnswer - resolves when they do
 * @throws what the work throws, an outage excepted
 */
export async function whenReachable<T>(
  untilStoresAnswer: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    await untilStoresAnswer();
    try {
      return await work();
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
}
