import type { Queue } from 'bullmq';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { usageRelayQueue } from '../../queues/usage.ts';
import { withRedis } from '../../runtime/outage.ts';
import { jobOptions } from '../jobOptions.ts';

const JOB = 'relay-refused-report';
const options = jobOptions(usageRelayQueue, JOB);

/**
 * Sets a report aside that the relay cannot post: its job ends as a dead letter, which an operator can retry. Parking
 * the same report again changes nothing.
 *
 * @param refusal - why, in words for the operator
 */
export async function parkRefusedReport(
  queue: Queue,
  recordId: number,
  refusal: string,
  requestIds: readonly string[],
): Promise<void> {
  const data: JobEnvelope<Payload<typeof usageRelayQueue, typeof JOB>> = {
    payload: { record_id: recordId, refusal },
    request_ids: requestIds,
  };
  await withRedis(() => queue.add(JOB, data, { ...options, jobId: `refused-${recordId}` }));
}
