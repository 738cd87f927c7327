import { expect, test } from 'vitest';
import { estimatedCompletion } from '../../../src/domain/icons/estimatedCompletion.ts';

const running = {
  status: 'running',
  completed_at: null,
  round_started_at: 1_000,
  done_before_round: 0,
  successful: 0,
  failed: 0,
  total: 6,
} as const;

test('is linear from the rate so far', () => {
  expect(estimatedCompletion(running, 5_000)).toBeNull();
  expect(estimatedCompletion({ ...running, successful: 1, failed: 1 }, 5_000)).toBe(5_000 + 4 * 2_000);
  expect(estimatedCompletion({ ...running, successful: 6 }, 5_000)).toBe(5_000);
});

test('of a retry is linear from the rate of the retry', () => {
  const retried = { ...running, done_before_round: 3, successful: 3 };
  expect(estimatedCompletion(retried, 5_000)).toBeNull();
  expect(estimatedCompletion({ ...retried, successful: 4 }, 5_000)).toBe(5_000 + 2 * 4_000);
});

test('of what does not run any more is its end, or nothing', () => {
  const done = { ...running, successful: 6, completed_at: 4_000 };
  expect(estimatedCompletion({ ...done, status: 'completed' }, 5_000)).toBe(4_000);
  expect(estimatedCompletion({ ...done, status: 'cancelled', successful: 2 }, 5_000)).toBeNull();
  expect(estimatedCompletion({ ...done, status: 'failed', successful: 2 }, 5_000)).toBeNull();
});
