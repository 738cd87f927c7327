import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { waitingEventPages } from '../../models/eventOutbox.ts';
import { overdueDeliveryPages } from '../../models/webhookDeliveries.ts';
import { startDeliveries } from '../../producers/webhooks/startDeliveries.ts';
import { startFanOut } from '../../producers/webhooks/startFanOut.ts';
import type { webhooksQueue } from '../../queues/webhooks.ts';
import type { SecretBox } from '../../runtime/secretBox.ts';
import type { Handlers, Run } from '../handlers.ts';
import { resealEndpoints } from './resealEndpoints.ts';

export interface SweepWebhooksDependencies {
  readonly connection: Connection;
  /** The queue of the fan-out. */
  readonly webhooksQueue: Queue;
  readonly deliveriesQueue: Queue;
  readonly secretBox: SecretBox | undefined;
}

/** What is younger is on its way, most likely; starting it a second time would be harmless. */
const GRACE_MILLISECONDS = 10_000;
const PAGE = 200;

/**
 * Starts what was committed and has no job: the process was killed before it queued it, or Redis was away or lost its
 * data. Whatever still has its job gets no second one.
 */
export function createSweepWebhooks(
  dependencies: SweepWebhooksDependencies,
): Handlers<typeof webhooksQueue>['sweep-webhooks'] {
  const { connection, secretBox } = dependencies;

  return async (_payload, run) => {
    const by = Date.now() - GRACE_MILLISECONDS;
    const events = await eachPage(waitingEventPages(connection, by, PAGE), run, (ids) =>
      startFanOut(dependencies.webhooksQueue, ids, run.requestIds),
    );
    const deliveries = await eachPage(overdueDeliveryPages(connection, by, PAGE), run, (ids) =>
      startDeliveries(dependencies.deliveriesQueue, ids, run.requestIds),
    );
    const resealed = secretBox ? await resealEndpoints(connection, secretBox, run) : 0;
    return { kind: 'done', result: { events, deliveries, resealed } };
  };
}

async function eachPage(
  pages: AsyncIterable<string[]>,
  run: Run,
  start: (ids: string[]) => Promise<void>,
): Promise<number> {
  let found = 0;
  for await (const ids of pages) {
    run.signal.throwIfAborted();
    await start(ids);
    found += ids.length;
  }
  return found;
}
