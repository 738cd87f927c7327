import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { LedgerChange } from '../../models/ledgerBook.ts';
import { webhooksQueue } from '../../queues/webhooks.ts';
import { publishBalances } from '../../runtime/balanceFeed.ts';
import type { OpenQueues } from '../queues.ts';
import { startFanOut } from '../webhooks/startFanOut.ts';

/**
 * Makes what a ledger calls after each commit: who watches a balance hears of it, and events go to their receivers. Neither
 * is waited for; what is lost while Redis is away, a recheck and a sweep make good.
 *
 * @param prefix - of the installation
 */
export function announceLedgerChanges(
  redis: Redis,
  prefix: string,
  queues: OpenQueues,
  logger: Logger,
): (change: LedgerChange) => void {
  const webhooks = queues.of(webhooksQueue);
  return ({ user_ids, event_ids }) => {
    publishBalances(redis, prefix, user_ids);
    if (event_ids.length === 0) return;
    startFanOut(webhooks, event_ids, []).catch((error: unknown) => {
      logger.warn({ err: error, events: event_ids.length }, 'Events wait for the sweep');
    });
  };
}
