import type { Queue } from 'bullmq';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { webhookDeliveriesQueue } from '../../queues/webhooks.ts';
import { withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

const JOB = 'deliver';
const options = jobOptions(webhookDeliveriesQueue, JOB);

/**
 * Starts deliveries that are committed to MongoDB. While a delivery's job waits, runs or pauses between two attempts,
 * another one for the same delivery is not added.
 *
 * @throws ServiceUnavailableError when Redis is away; the sweep starts them later
 */
export async function startDeliveries(
  queue: Queue,
  deliveryIds: Iterable<string>,
  requestIds: readonly string[],
): Promise<void> {
  const jobs = [...deliveryIds].map((deliveryId) => ({
    name: JOB,
    data: envelope(deliveryId, requestIds),
    opts: { ...options, deduplication: { id: deliveryId } },
  }));
  await withRedis(() => queue.addBulk(jobs));
}

/**
 * Starts a delivery now, also when its job pauses between two attempts: a new job takes the place of that one.
 *
 * @throws ServiceUnavailableError when Redis is away; the sweep starts it later
 */
export async function startRedelivery(
  queue: Queue,
  deliveryId: string,
  requestIds: readonly string[],
): Promise<void> {
  await withRedis(() =>
    queue.add(JOB, envelope(deliveryId, requestIds), {
      ...options,
      deduplication: { id: deliveryId, replace: true },
    }),
  );
}

function envelope(
  deliveryId: string,
  requestIds: readonly string[],
): JobEnvelope<Payload<typeof webhookDeliveriesQueue, typeof JOB>> {
  return { payload: { delivery_id: deliveryId }, request_ids: requestIds };
}
