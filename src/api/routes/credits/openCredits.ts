import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../../config/env.ts';
import { Ledger } from '../../../models/ledger.ts';
import { announceLedgerChanges } from '../../../producers/credits/announceLedgerChanges.ts';
import type { OpenQueues } from '../../../producers/queues.ts';
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
  const onChange = announceLedgerChanges(redis, environment.REDIS_PREFIX, queues, logger);
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
