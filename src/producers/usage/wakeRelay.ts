import type { Queue } from 'bullmq';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { usageRelayQueue } from '../../queues/usage.ts';
import { withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

type WakePayload = Payload<typeof usageRelayQueue, 'relay-user'>;

const options = jobOptions(usageRelayQueue, 'relay-user');

/**
 * Tells the relay that these users have reports to be posted. While a user's job waits, another one for the same user
 * is not added; a job that is running already may have looked too early, so one more follows it.
 */
export async function wakeRelay(
  queue: Queue,
  userIds: Iterable<number>,
  requestIds: readonly string[],
): Promise<void> {
  const jobs = [...userIds].map((userId) => ({
    name: 'relay-user',
    data: envelope(userId, requestIds),
    opts: { ...options, deduplication: { id: `user-${userId}`, keepLastIfActive: true } },
  }));
  await withRedis(() => queue.addBulk(jobs));
}

/**
 * Tells the relay to look at a user after a while. The last call for a user counts. It stands beside the jobs of
 * `wakeRelay` under an id of its own, so that a pause of minutes never swallows what should be looked at now.
 */
export async function wakeRelayLater(
  queue: Queue,
  userId: number,
  delayMilliseconds: number,
  requestIds: readonly string[],
): Promise<void> {
  await withRedis(() =>
    queue.add('relay-user', envelope(userId, requestIds), {
      ...options,
      delay: Math.max(1, Math.round(delayMilliseconds)),
      deduplication: { id: `user-${userId}-later`, replace: true, keepLastIfActive: true },
    }),
  );
}

function envelope(userId: number, requestIds: readonly string[]): JobEnvelope<WakePayload> {
  return { payload: { user_id: userId }, request_ids: requestIds };
}
