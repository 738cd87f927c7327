import { type ClientSession, type Connection, mongo } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { ServiceUnavailableError } from '../runtime/outage.ts';

const DUPLICATE_KEY = 11_000;
/** Two transactions that make the same document collide once; the second then finds it. */
const MOST_COLLISIONS = 5;
/** The driver would try on for two minutes, longer than any job may take. */
const LONGEST_CONFLICT_MILLISECONDS = 20_000;
/**
 * After each conflict the driver waits longer, up to half a second, and meanwhile whoever is faster wins again and again.
 * After so many it starts anew with a short wait.
 */
const MOST_CONFLICTS_IN_A_ROW = 4;

/** Leaves the driver's loop, to start it anew. */
class StillCollidingError extends Error {
  override name = 'StillCollidingError';
}

/**
 * Runs the steps in one transaction: all of them or none. They may run several times (after a conflict with another
 * transaction, or a collision on a unique key) and must do nothing that a repeat would do twice.
 *
 * @param conflictMilliseconds - how long it is tried again while other transactions change the same documents
 * @throws ServiceUnavailableError when MongoDB is away, or other transactions kept this one from being committed for long
 */
export async function inTransaction<T>(
  connection: Connection,
  steps: (session: ClientSession) => Promise<T>,
  conflictMilliseconds = LONGEST_CONFLICT_MILLISECONDS,
): Promise<T> {
  const until = performance.now() + conflictMilliseconds;
  let attempts = 0;
  const stepsInTime = async (session: ClientSession) => {
    usable(connection);
    requireTime(until);
    attempts += 1;
    if (attempts > MOST_CONFLICTS_IN_A_ROW) throw new StillCollidingError();
    const result = await steps(session);
    // Before the commit: what took too long, because MongoDB was away meanwhile, is rolled back.
    requireTime(until);
    return result;
  };
  for (let collisions = 0; ; ) {
    attempts = 0;
    try {
      return await usable(connection)
        .getClient()
        .withSession((session) =>
          session.withTransaction(() => stepsInTime(session), {
            readConcern: { level: 'snapshot' },
            writeConcern: { w: 'majority', journal: true },
            readPreference: 'primary',
          }),
        );
    } catch (error) {
      if (error instanceof StillCollidingError) continue;
      if (!isDuplicateKey(error) || collisions === MOST_COLLISIONS) throw error;
      collisions += 1;
    }
  }
}

function requireTime(until: number): void {
  if (performance.now() > until)
    throw new ServiceUnavailableError('MongoDB is overloaded; try again later', 2);
}

export function isDuplicateKey(error: unknown): boolean {
  return error instanceof mongo.MongoServerError && error.code === DUPLICATE_KEY;
}
