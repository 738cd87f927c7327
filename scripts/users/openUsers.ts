import { once } from 'node:events';
import mongoose, { type Connection } from 'mongoose';
import { pino } from 'pino';
import { prepareCounters } from '../../src/models/counters.ts';
import { prepareUsers } from '../../src/models/users.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { isOutage } from '../../src/runtime/outage.ts';
import { dataFolder, displayName, findHolder } from '../start/dataFolder.ts';
import { loadDotEnv } from '../start/dotEnv.ts';
import { CommandFailure } from './failure.ts';

const MOST_TRIES = 5;
const CONNECT_LIMIT_MILLISECONDS = 8_000;

/**
 * Runs the work on the users of MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withUsers(work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = connectMongo(findMongo(), 'worker', pino({ level: 'silent' }));
  try {
    await untilConnected(connection);
    await prepareCounters(connection);
    await prepareUsers(connection);
    await work(connection);
  } finally {
    await connection.close();
  }
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

function findMongo(): string {
  loadDotEnv();
  if (process.env.MONGODB_URL) return process.env.MONGODB_URL;
  const folder = dataFolder();
  const holder = findHolder(folder);
  if (holder?.mongodb_url) return holder.mongodb_url;
  throw new CommandFailure(
    holder
      ? `${holder.activity} (pid ${holder.pid}) is using ${displayName(folder)}, but its MongoDB is not up yet. Try again in a moment.`
      : `Nothing runs on the data folder ${displayName(folder)}. Start it with npm start, or set MONGODB_URL.`,
  );
}

async function untilConnected(connection: Connection): Promise<void> {
  if (connection.readyState === mongoose.ConnectionStates.connected) return;
  try {
    await once(connection, 'connected', { signal: AbortSignal.timeout(CONNECT_LIMIT_MILLISECONDS) });
  } catch (error) {
    throw new CommandFailure(
      `MongoDB does not answer within ${CONNECT_LIMIT_MILLISECONDS / 1_000} s. Is it running, and is MONGODB_URL right?`,
      { cause: error },
    );
  }
}
