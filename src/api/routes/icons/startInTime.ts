import type { Environment } from '../../../../config/env.ts';
import { LONGEST_RESERVE_MILLISECONDS } from '../../../providers/credits/remote.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';

/**
 * Waits for a start, but not longer than its sender should. One that comes later is taken back, so that nothing is made,
 * and charged, after its sender was told to come back.
 *
 * @param start - takes back what is not done by that time of `performance.now()`
 * @throws ServiceUnavailableError when the time is over
 */
export function startInTime<T>(
  environment: Environment,
  start: (answerBefore: number) => Promise<T>,
): Promise<T> {
  const milliseconds = startMilliseconds(environment);
  return withinDeadline(milliseconds, 'What is stored', start(performance.now() + milliseconds));
}

/** Credits on another server are no store of ours: it has the time that it always had. */
function startMilliseconds({ CREDITS_PROVIDER, ICONS_CREDITS_PER_ICON }: Environment): number {
  const asksElsewhere = CREDITS_PROVIDER !== 'local' && ICONS_CREDITS_PER_ICON > 0;
  return ANSWER_MILLISECONDS + (asksElsewhere ? LONGEST_RESERVE_MILLISECONDS : 0);
}
