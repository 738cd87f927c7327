import { creditsUpkeepQueue } from './credits.ts';
import type { QueueContract } from './defineQueue.ts';
import { iconBatchesQueue, iconsQueue } from './icons.ts';
import { remoteCreditsQueue } from './remoteCredits.ts';
import { usageQueue, usageRelayQueue, usageUpkeepQueue } from './usage.ts';
import { webhookDeliveriesQueue, webhooksQueue } from './webhooks.ts';

/** Every queue there is. Bull Board, the workers, the metrics and the contract tests read it. */
export const queueContracts: readonly QueueContract[] = [
  usageQueue,
  usageRelayQueue,
  usageUpkeepQueue,
  creditsUpkeepQueue,
  webhooksQueue,
  webhookDeliveriesQueue,
  remoteCreditsQueue,
  iconsQueue,
  iconBatchesQueue,
];
