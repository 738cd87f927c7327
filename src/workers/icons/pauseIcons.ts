import { addToEventOutbox } from '../../models/eventOutbox.ts';
import { inTransaction } from '../../models/transaction.ts';
import { startFanOut } from '../../producers/webhooks/startFanOut.ts';
import { iconsQueue } from '../../queues/icons.ts';
import { webhooksQueue } from '../../queues/webhooks.ts';
import { withRedis } from '../../runtime/outage.ts';
import type { Run } from '../handlers.ts';
import type { IconWork } from './iconWork.ts';

/** What showed that no icon can be made. */
export interface Obstacle {
  readonly reason: string;
  /** When it began that came to nothing; of `performance.now()`. */
  readonly begun_at: number;
}

/**
 * Stops the making of icons, and tells it: each further call would go wrong or be paid for nothing. An operator sees to the
 * reason, then `npm run icons -- resume`. The event comes first: a worker that is killed in between, or two at once, rather
 * tell it twice than never. What began before the queue was last resumed tells nothing new, and stops nothing.
 */
export async function pauseIcons(
  { connection, queues }: Pick<IconWork, 'connection' | 'queues'>,
  { reason, begun_at }: Obstacle,
  run: Pick<Run, 'logger' | 'requestIds'>,
): Promise<void> {
  const queue = queues.of(iconsQueue);
  const wasResumed = () => withRedis(() => queue.wasResumedWithin(performance.now() - begun_at));
  const goOn = () => run.logger.warn({ reason }, 'The icons queue was resumed meanwhile, and goes on');

  if (await withRedis(() => queue.isPaused())) return;
  if (await wasResumed()) return goOn();
  const events = await inTransaction(connection, (session) =>
    addToEventOutbox(connection, [{ type: 'icons.paused', at: Date.now(), data: { reason } }], session),
  );
  await withRedis(() => queue.pause());
  if (await wasResumed()) {
    // Somebody else's pause ended while the event was written, and this one may have come after it. If it was a newer
    // refusal's, the next call is refused again.
    await withRedis(() => queue.resume());
    goOn();
  } else {
    run.logger.error({ reason }, 'The icons queue is paused until an operator resumes it');
  }
  await startFanOut(queues.of(webhooksQueue), events, run.requestIds);
}
