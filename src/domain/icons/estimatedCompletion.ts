import type { IconBatch } from './batch.ts';

type Progress = Pick<
  IconBatch,
  'status' | 'completed_at' | 'round_started_at' | 'done_before_round' | 'successful' | 'failed' | 'total'
>;

/**
 * Linear from the rate so far; of a retry from its own rate, as the time before it says nothing of that. Nothing before the
 * first image, nor for a batch that ends without its last one.
 */
export function estimatedCompletion(batch: Progress, now: number): number | null {
  const { status, completed_at, round_started_at, done_before_round, successful, failed, total } = batch;
  if (status === 'completed') return completed_at;
  const done = successful + failed;
  const doneInRound = done - done_before_round;
  if (status !== 'running' || round_started_at === null || doneInRound <= 0) return null;
  return now + ((now - round_started_at) / doneInRound) * (total - done);
}
