import type { Queue } from 'bullmq';
import type { Connection } from 'mongoose';
import { findUsersToRelay } from '../../models/usageRelay.ts';
import { findRestingLanes } from '../../models/usageRelayLanes.ts';
import { wakeRelay } from '../../producers/usage/wakeRelay.ts';
import type { usageUpkeepQueue } from '../../queues/usage.ts';
import type { Handlers } from '../handlers.ts';
import { done } from '../outcome.ts';

export interface WakeDueRelaysDependencies {
  readonly connection: Connection;
  /** The queue of the relay; absent while no other server is configured. */
  readonly relayQueue: Queue | undefined;
}

const PAGE = 200;

/**
 * Wakes the relay for everybody who has something to be posted and whose lane does not pause: a worker may have died
 * between the commit and the wake, and reports may be left from a time before the relay was switched off.
 */
export function createWakeDueRelays(
  dependencies: WakeDueRelaysDependencies,
): Handlers<typeof usageUpkeepQueue>['wake-relay'] {
  const { connection, relayQueue } = dependencies;

  return async (_payload, run) => {
    if (!relayQueue) return done;
    let page = await findUsersToRelay(connection, 0, PAGE);
    while (page.length > 0) {
      run.signal.throwIfAborted();
      const resting = await findRestingLanes(connection, page);
      await wakeRelay(
        relayQueue,
        page.filter((userId) => !resting.has(userId)),
        run.requestIds,
      );
      page = await findUsersToRelay(connection, page.at(-1) ?? Number.MAX_SAFE_INTEGER, PAGE);
    }
    return done;
  };
}
