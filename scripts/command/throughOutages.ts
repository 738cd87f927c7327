import type { Connection } from 'mongoose';
import { isOutage } from '../../src/runtime/outage.ts';
import { untilConnected } from './withMongo.ts';

const MOST_TRIES = 5;

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
