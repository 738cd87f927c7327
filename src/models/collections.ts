import type { Connection } from 'mongoose';
import { isOutage } from '../runtime/outage.ts';
import { prepareCounters } from './counters.ts';
import { prepareUsage } from './usage.ts';
import { prepareUsageRelayOutbox } from './usageRelay.ts';
import { prepareUsageRelayLanes } from './usageRelayLanes.ts';
import { prepareUsers } from './users.ts';

/**
 * Makes every collection and index that is missing. Repeating it, also from several processes at once, changes nothing.
 */
export async function prepareCollections(connection: Connection): Promise<void> {
  await prepareCounters(connection);
  await prepareUsers(connection);
  await prepareUsage(connection);
  await prepareUsageRelayOutbox(connection);
  await prepareUsageRelayLanes(connection);
}

/**
 * Makes the collections as soon as the stores answer, however often they go away in between.
 *
 * @param untilStoresAnswer - resolves when they do
 */
export async function prepareWhenReachable(
  connection: Connection,
  untilStoresAnswer: () => Promise<void>,
): Promise<void> {
  for (;;) {
    await untilStoresAnswer();
    try {
      return await prepareCollections(connection);
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
  }
}
