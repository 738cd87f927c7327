import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Environment } from '../../../../config/env.ts';
import { Ledger, type LedgerChange } from '../../../models/ledger.ts';
import type { OpenQueues } from '../../../producers/queues.ts';
import { startFanOut } from '../../../producers/webhooks/startFanOut.ts';
import { webhooksQueue } from '../../../queues/webhooks.ts';
import { publishBalances } from '../../../runtime/balanceFeed.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { CreditsRouteDependencies } from './dependencies.ts';
import { createFirstContact } from './firstContact.ts';
import { openLiveBalances } from './openLiveBalances.ts';

export interface OpenCredits {
  readonly dependencies: CreditsRouteDependencies;
  /** Ends every live balance. Comes before the HTTP server is closed, which waits for its connections. */
  close(): void;
}

interface Stores {
  readonly redis: Redis;
  readonly mongo: Connection;
  readonly queues: OpenQueues;
}

/** Makes what the credits routes work with. The ledger tells what it changed to those who watch, after the commit. */
export function openCredits(
  environment: Environment,
  { redis, mongo, queues }: Stores,
  logger: Logger,
): OpenCredits {
  const { liveBalances, close } = openLiveBalances(environment, mongo, logger);
  const webhooks = queues.of(webhooksQueue);
  const onChange = ({ user_ids, event_ids }: LedgerChange): void => {
    publishBalances(redis, environment.REDIS_PREFIX, user_ids);
    if (event_ids.length === 0) return;
    startFanOut(webhooks, event_ids, []).catch((error: unknown) => {
      logger.warn({ err: error, events: event_ids.length }, 'Events wait for the sweep');
    });
  };
  const ledger = new Ledger(mongo, { onChange });
  return {
    dependencies: {
      connection: mongo,
      ledger,
      onLedgerChange: onChange,
      liveBalances,
      firstContact: createFirstContact(mongo, ledger, environment.CREDITS_AUTO_CREATE),
      bonusKey: environment.CREDITS_BONUS_KEY,
    },
    close,
  };
}
