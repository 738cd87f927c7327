import { expect, test } from 'vitest';
import { backoffDelay } from '../../src/workers/backoff.ts';

const backoff = { firstMilliseconds: 250, capMilliseconds: 60_000, jitter: 0.5 };

test('the wait doubles up to its cap, however often the job fails', () => {
  const waits = [1, 2, 3, 8, 9, 60, 5_000].map((failures) => backoffDelay(backoff, failures, 0));
  expect(waits).toEqual([250, 500, 1_000, 32_000, 60_000, 60_000, 60_000]);
});

test('jitter takes off its share at most', () => {
  expect(backoffDelay(backoff, 1, 0.999_999)).toBe(125);
  expect(backoffDelay(backoff, 60, 0.5)).toBe(45_000);
});
