import type { Connection } from 'mongoose';
import { prepareCounters } from '../../src/models/counters.ts';
import { prepareUsers } from '../../src/models/users.ts';
import { isOutage } from '../../src/runtime/outage.ts';
import { untilConnected, withMongo } from '../command/withMongo.ts';

const MOST_TRIES = 5;

/**
 * Runs the work on the users of MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withUsers(work: (connection: Connection) => Promise<void>): Promise<void> {
  await withMongo(async (connection) => {
    await prepareCounters(connection);
    await prepareUsers(connection);
    await work(connection);
  });
}

/**
 * Runs a step that may be repeated, again when MongoDB was away in between: a long import must not end because the
 * server was busy for a second.
 */
export async function throughOutages<T>(connection: Connection, step: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await step();
    } catch (error) {
      if (!isOutage(error) || tries === MOST_TRIES) throw error;
      await untilConnected(connection);
    }
  }
}
