import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { settleDueUsers } from '../../models/ledgerUpkeep.ts';
import { startFanOut } from '../../producers/webhooks/startFanOut.ts';
import type { creditsUpkeepQueue } from '../../queues/credits.ts';
import { publishBalances } from '../../runtime/balanceFeed.ts';
import type { Handlers } from '../handlers.ts';

export interface SettleDueDependencies {
  readonly connection: Connection;
  readonly redis: Redis;
  /** Prefix of the installation's keys. */
  readonly prefix: string;
  /** The queue of the fan-out of events. */
  readonly webhooksQueue: Queue;
}

/** Gives back what overdue holds set aside, and books the grants that have lapsed. */
export function createSettleDue(
  dependencies: SettleDueDependencies,
): Handlers<typeof creditsUpkeepQueue>['settle-due'] {
  const { connection, redis, prefix, webhooksQueue } = dependencies;

  return async (_payload, run) => {
    let users = 0;
    for await (const { user_ids, event_ids, failures } of settleDueUsers(connection)) {
      run.signal.throwIfAborted();
      users += user_ids.length;
      publishBalances(redis, prefix, user_ids);
      if (event_ids.length > 0) await startFanOut(webhooksQueue, event_ids, run.requestIds);
      for (const { user_id, error } of failures) {
        run.logger.error({ err: error, user_id }, 'What is due for a user could not be booked');
      }
    }
    return { kind: 'done', result: { users } };
  };
}
