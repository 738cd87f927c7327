import type { Connection } from 'mongoose';
import { prepareAccounts } from './accounts.ts';
import { prepareCounters } from './counters.ts';
import { prepareEventOutbox } from './eventOutbox.ts';
import { prepareUsage } from './usage.ts';
import { prepareUsageRelayOutbox } from './usageRelay.ts';
import { prepareUsageRelayLanes } from './usageRelayLanes.ts';
import { prepareUsageTimeZone } from './usageTimeZone.ts';
import { prepareUsers } from './users.ts';

/**
 * Makes every collection and index that is missing. Repeating it, also from several processes at once, changes nothing.
 */
export async function prepareCollections(connection: Connection): Promise<void> {
  await prepareCounters(connection);
  await prepareAccounts(connection);
  await prepareUsers(connection);
  await prepareUsage(connection);
  await prepareUsageRelayOutbox(connection);
  await prepareUsageRelayLanes(connection);
  await prepareUsageTimeZone(connection);
  await prepareEventOutbox(connection);
}
