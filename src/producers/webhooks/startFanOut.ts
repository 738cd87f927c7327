import type { Queue } from 'bullmq';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { webhooksQueue } from '../../queues/webhooks.ts';
import { withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

const JOB = 'fan-out-event';
const options = jobOptions(webhooksQueue, JOB);

/**
 * Has the events, which are committed to the outbox, delivered to whoever wants them. While an event's job waits or runs,
 * another one for the same event is not added. Without this call the sweep finds them within about a minute.
 *
 * @throws ServiceUnavailableError when Redis is away; nothing is lost then
 */
export async function startFanOut(
  queue: Queue,
  eventIds: Iterable<string>,
  requestIds: readonly string[],
): Promise<void> {
  const jobs = [...eventIds].map((eventId) => {
    const data: JobEnvelope<Payload<typeof webhooksQueue, typeof JOB>> = {
      payload: { event_id: eventId },
      request_ids: requestIds,
    };
    return { name: JOB, data, opts: { ...options, deduplication: { id: `event-${eventId}` } } };
  });
  await withRedis(() => queue.addBulk(jobs));
}
