import { abandonLane, type LaneLease, leaseLane, releaseLane } from '../../models/usageRelayLanes.ts';
import type { UsageRelay } from '../../platforms/usageRelay.ts';
import { wakeRelay, wakeRelayLater } from '../../producers/usage/wakeRelay.ts';
import type { usageRelayQueue } from '../../queues/usage.ts';
import type { Handlers, Run } from '../handlers.ts';
import { done } from '../outcome.ts';
import { RelayTurn, type RelayTurnDependencies, type TurnEnd } from './relayTurn.ts';

export interface RelayUserDependencies extends RelayTurnDependencies {
  /** Absent while no other server is configured: what waits for it then stays. */
  readonly relay: UsageRelay | undefined;
}

const BUSY_DELAY_MILLISECONDS = 1_000;

/**
 * Posts what a user has waiting. A run ends soon, whatever happens: a lane that has to pause is remembered in MongoDB
 * and looked at again by a later job, so that no worker is held and the job's attempts are left to real failures.
 */
export function createRelayUser(
  dependencies: RelayUserDependencies,
): Handlers<typeof usageRelayQueue>['relay-user'] {
  const { connection, queue, relay } = dependencies;

  return async ({ user_id: userId }, run) => {
    if (!relay) return done;
    const turn = await leaseLane(connection, userId);
    if (turn.kind === 'leased') {
      await wakeAfter(await takeTurn(turn.lease, relay, run), userId, run);
    } else {
      // Whoever holds the lane may have looked already, or been killed; and a pause may have lost its job.
      const delay = turn.kind === 'resting' ? turn.until - Date.now() : BUSY_DELAY_MILLISECONDS;
      await wakeRelayLater(queue, userId, delay, run.requestIds);
    }
    return done;
  };

  async function takeTurn(lease: LaneLease, relay: UsageRelay, run: Run): Promise<TurnEnd> {
    try {
      const end = await new RelayTurn(dependencies, relay, lease, run).take();
      await releaseLane(connection, lease, {
        trouble: end.kind === 'failed' ? end.trouble : undefined,
        nextAttemptAt: end.kind === 'failed' ? Date.now() + end.delayMilliseconds : 0,
      });
      return end;
    } catch (error) {
      // Without it the lane is free again when the lease has run out.
      await abandonLane(connection, lease).catch(() => undefined);
      throw error;
    }
  }

  async function wakeAfter(end: TurnEnd, userId: number, run: Run): Promise<void> {
    switch (end.kind) {
      case 'over':
        return;
      case 'more':
        return wakeRelay(queue, [userId], run.requestIds);
      case 'failed':
        return wakeRelayLater(queue, userId, end.delayMilliseconds, run.requestIds);
      case 'lost':
        return wakeRelayLater(queue, userId, BUSY_DELAY_MILLISECONDS, run.requestIds);
    }
  }
}
