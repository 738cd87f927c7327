import { expect } from 'vitest';

/**
 * The promise is an answer within two seconds. The rest is for a machine that is slow, or stands still for a moment: what
 * lacks its deadline waits for the driver's own limit of five seconds, or for ever.
 */
const IN_TIME_MILLISECONDS = 4_000;

/** What is asked for, which has to be there in time although a store is away. */
export async function inTime<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const begin = performance.now();
  const answer = await ask();
  expect(performance.now() - begin, 'how long the answer took').toBeLessThan(IN_TIME_MILLISECONDS);
  return answer;
}
