import type { Connection } from 'mongoose';
import { preparePasswordLinks } from './accountPasswordLinks.ts';
import { prepareAccountSessions } from './accountSessions.ts';
import { prepareAccounts } from './accounts.ts';
import { prepareApiKeys } from './apiKeys.ts';
import { prepareAuditLog } from './auditLog.ts';
import { prepareCounters } from './counters.ts';
import { prepareEventOutbox } from './eventOutbox.ts';
import { prepareIcons } from './iconDocuments.ts';
import { prepareIdempotency } from './idempotency.ts';
import { prepareLedgerBonus } from './ledgerBonus.ts';
import { prepareLedger } from './ledgerDocuments.ts';
import { prepareRemoteCaptures } from './remoteCaptures.ts';
import { prepareRemoteReservations } from './remoteReservations.ts';
import { prepareStartClaims } from './startClaims.ts';
import { prepareUsage } from './usage.ts';
import { prepareUsageRelayOutbox } from './usageRelay.ts';
import { prepareUsageRelayLanes } from './usageRelayLanes.ts';
import { prepareUsageTimeZone } from './usageTimeZone.ts';
import { prepareUsers } from './users.ts';
import { prepareWebhookDeliveries } from './webhookDeliveries.ts';
import { prepareWebhookEndpoints } from './webhookEndpoints.ts';
import { prepareWorkspace } from './workspace.ts';

/**
 * Makes every collection and index that is missing. Repeating it, also from several processes at once, changes nothing.
 */
export async function prepareCollections(connection: Connection): Promise<void> {
  await prepareCounters(connection);
  await prepareAccounts(connection);
  await prepareApiKeys(connection);
  await prepareAuditLog(connection);
  await prepareAccountSessions(connection);
  await preparePasswordLinks(connection);
  await prepareUsers(connection);
  await prepareUsage(connection);
  await prepareUsageRelayOutbox(connection);
  await prepareUsageRelayLanes(connection);
  await prepareUsageTimeZone(connection);
  await prepareRemoteReservations(connection);
  await prepareRemoteCaptures(connection);
  await prepareIdempotency(connection);
  await prepareLedger(connection);
  await prepareWorkspace(connection);
  await prepareLedgerBonus(connection);
  await prepareEventOutbox(connection);
  await prepareWebhookEndpoints(connection);
  await prepareWebhookDeliveries(connection);
  await prepareIcons(connection);
  await prepareStartClaims(connection);
}
