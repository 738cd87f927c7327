import type { Queue } from 'bullmq';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { usageRelayQueue } from '../../queues/usage.ts';
import { withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

const options = jobOptions(usageRelayQueue, 'relay-user');

/**
 * Tells the relay that these users have reports to be posted. While a user's job waits, another one for the same user
 * is not added; a job that is running already may have looked too early, so one more waits behind it.
 *
 * @param delayMilliseconds - how long the relay should wait before it looks
 */
export async function wakeRelay(
  queue: Queue,
  userIds: Iterable<number>,
  requestIds: readonly string[],
  delayMilliseconds = 0,
): Promise<void> {
  const jobs = [...userIds].map((userId) => ({
    name: 'relay-user',
    data: { payload: { user_id: userId }, request_ids: requestIds } satisfies JobEnvelope<
      Payload<typeof usageRelayQueue, 'relay-user'>
    >,
    opts: {
      ...options,
      delay: delayMilliseconds,
      deduplication: { id: `user-${userId}`, keepLastIfActive: true },
    },
  }));
  await withRedis(() => queue.addBulk(jobs));
}
