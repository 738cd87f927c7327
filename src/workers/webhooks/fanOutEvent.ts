import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { findWaitingEvent, settleEvent } from '../../models/eventOutbox.ts';
import { addDeliveries } from '../../models/webhookDeliveries.ts';
import { findSubscribers } from '../../models/webhookEndpoints.ts';
import { startDeliveries } from '../../producers/webhooks/startDeliveries.ts';
import type { webhooksQueue } from '../../queues/webhooks.ts';
import type { Handlers } from '../handlers.ts';
import { done } from '../outcome.ts';

export interface FanOutEventDependencies {
  readonly connection: Connection;
  /** The queue of the deliveries. */
  readonly deliveriesQueue: Queue;
}

/**
 * Makes one delivery of the event for each endpoint that wants it, and starts them. The event is settled last: a run that was
 * killed before is repeated and finds what it had made.
 */
export function createFanOutEvent(
  dependencies: FanOutEventDependencies,
): Handlers<typeof webhooksQueue>['fan-out-event'] {
  const { connection, deliveriesQueue } = dependencies;

  return async ({ event_id: eventId }, run) => {
    const event = await findWaitingEvent(connection, eventId);
    if (!event) return done;
    const endpointIds = await findSubscribers(connection, event.type);
    const deliveryIds = await addDeliveries(connection, event, endpointIds);
    if (deliveryIds.length > 0) await startDeliveries(deliveriesQueue, deliveryIds, run.requestIds);
    await settleEvent(connection, eventId);
    run.logger.info(
      { event_id: eventId, event_type: event.type, deliveries: deliveryIds.length },
      'event fanned out',
    );
    return done;
  };
}
