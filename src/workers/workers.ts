import type { Connection } from 'mongoose';
import type { Environment } from '../../config/env.ts';
import { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { RETRY_DELAYS_MILLISECONDS } from '../domain/webhooks/delivery.ts';
import { UsagePending } from '../models/usagePending.ts';
import { UsageRelay } from '../platforms/usageRelay.ts';
import { WebhookClient } from '../platforms/webhooks.ts';
import { type OpenQueues, prefixOf, queuePrefix } from '../producers/queues.ts';
import { openRemoteCredits } from '../providers/credits/open.ts';
import { creditsUpkeepQueue } from '../queues/credits.ts';
import type { QueueContract } from '../queues/defineQueue.ts';
import { iconBatchesQueue, iconsQueue } from '../queues/icons.ts';
import { remoteCreditsQueue } from '../queues/remoteCredits.ts';
import { usageQueue, usageRelayQueue, usageUpkeepQueue } from '../queues/usage.ts';
import { webhookDeliveriesQueue, webhooksQueue } from '../queues/webhooks.ts';
import { OutboundHosts } from '../runtime/outboundHosts.ts';
import { openSecretBox } from '../runtime/secretBox.ts';
import { createSettleDue } from './credits/settleDue.ts';
import { createTidyRemoteCredits } from './credits/tidyRemoteCredits.ts';
import { createFinishBatch } from './icons/finishBatch.ts';
import { createGenerateIcon } from './icons/generateIcon.ts';
import { openIconWork } from './icons/openIconWork.ts';
import { createSweepIcons } from './icons/sweepIcons.ts';
import { type RunningWorker, startWorker, type WorkerDependencies } from './startWorker.ts';
import { createRelayRefusedReport } from './usage/relayRefusedReport.ts';
import { createRelayUser } from './usage/relayUser.ts';
import { createStoreReports } from './usage/storeReports.ts';
import { createSweepPending } from './usage/sweepPending.ts';
import { createWakeDueRelays } from './usage/wakeDueRelays.ts';
import { createDeliver } from './webhooks/deliver.ts';
import { createFanOutEvent } from './webhooks/fanOutEvent.ts';
import { createSweepWebhooks } from './webhooks/sweepWebhooks.ts';

export interface WorkersDependencies extends Omit<WorkerDependencies, 'prefix'> {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly queues: OpenQueues;
}

/** How to start the workers of one queue. */
export interface WorkerEntry {
  readonly queue: QueueContract;
  readonly start: () => RunningWorker;
}

/** Every queue with its handlers. */
export function workerEntries(dependencies: WorkersDependencies): WorkerEntry[] {
  const { environment, connection, queues, redis } = dependencies;
  const calendar = new BusinessCalendar(environment.BUSINESS_TIME_ZONE);
  const usagePrefix = queuePrefix(environment.REDIS_PREFIX, usageQueue.name);
  const pending = new UsagePending(redis, usagePrefix, calendar);
  const relay = environment.USAGE_RELAY_URL ? new UsageRelay(environment.USAGE_RELAY_URL) : undefined;
  const secretBox = openSecretBox(environment.ENCRYPTION_KEY, environment.ENCRYPTION_PREVIOUS_KEY);
  const hosts = new OutboundHosts({ allowPrivate: environment.WEBHOOKS_ALLOW_PRIVATE });
  const icons = openIconWork(environment, { redis, connection, queues }, dependencies.logger);
  const runner = (queue: QueueContract): WorkerDependencies => ({
    ...dependencies,
    prefix: prefixOf(environment.REDIS_PREFIX, queue),
  });
  return [
    {
      queue: usageQueue,
      start: () =>
        startWorker(
          usageQueue,
          {
            'store-reports': createStoreReports({
              queue: queues.of(usageQueue),
              pending,
              connection,
              calendar,
              relayQueue: relay ? queues.of(usageRelayQueue) : undefined,
            }),
          },
          runner(usageQueue),
        ),
    },
    {
      queue: usageRelayQueue,
      start: () =>
        startWorker(
          usageRelayQueue,
          {
            'relay-user': createRelayUser({
              queue: queues.of(usageRelayQueue),
              pending,
              connection,
              calendar,
              relay,
              retryMilliseconds: environment.USAGE_RELAY_RETRY_DAYS * 24 * 3_600_000,
            }),
            'relay-refused-report': createRelayRefusedReport({ connection, calendar, relay }),
          },
          runner(usageRelayQueue),
        ),
    },
    {
      queue: usageUpkeepQueue,
      start: () =>
        startWorker(
          usageUpkeepQueue,
          {
            'sweep-pending': createSweepPending({
              redis,
              queue: queues.of(usageQueue),
              prefix: usagePrefix,
              pending,
              connection,
            }),
            'wake-relay': createWakeDueRelays({
              connection,
              relayQueue: relay ? queues.of(usageRelayQueue) : undefined,
            }),
          },
          runner(usageUpkeepQueue),
        ),
    },
    {
      queue: creditsUpkeepQueue,
      start: () =>
        startWorker(
          creditsUpkeepQueue,
          {
            'settle-due': createSettleDue({
              connection,
              redis,
              prefix: environment.REDIS_PREFIX,
              webhooksQueue: queues.of(webhooksQueue),
            }),
          },
          runner(creditsUpkeepQueue),
        ),
    },
    {
      queue: webhooksQueue,
      start: () =>
        startWorker(
          webhooksQueue,
          {
            'fan-out-event': createFanOutEvent({
              connection,
              deliveriesQueue: queues.of(webhookDeliveriesQueue),
            }),
            'sweep-webhooks': createSweepWebhooks({
              connection,
              webhooksQueue: queues.of(webhooksQueue),
              deliveriesQueue: queues.of(webhookDeliveriesQueue),
              secretBox,
            }),
          },
          runner(webhooksQueue),
        ),
    },
    {
      queue: webhookDeliveriesQueue,
      start: () =>
        startWorker(
          webhookDeliveriesQueue,
          {
            deliver: createDeliver({
              connection,
              client: new WebhookClient(hosts),
              secretBox,
              retryDelays: RETRY_DELAYS_MILLISECONDS,
            }),
          },
          runner(webhookDeliveriesQueue),
        ),
    },
    {
      queue: remoteCreditsQueue,
      start: () =>
        startWorker(
          remoteCreditsQueue,
          {
            'tidy-remote-credits': createTidyRemoteCredits(
              openRemoteCredits(environment, connection, dependencies.logger),
            ),
          },
          runner(remoteCreditsQueue),
        ),
    },
    {
      queue: iconsQueue,
      start: () =>
        startWorker(iconsQueue, { 'generate-icon': createGenerateIcon(icons) }, runner(iconsQueue)),
    },
    {
      queue: iconBatchesQueue,
      start: () =>
        startWorker(
          iconBatchesQueue,
          { 'finish-batch': createFinishBatch(icons), 'sweep-icons': createSweepIcons(icons) },
          runner(iconBatchesQueue),
        ),
    },
  ];
}
