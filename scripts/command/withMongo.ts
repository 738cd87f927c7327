import { once } from 'node:events';
import mongoose, { type Connection } from 'mongoose';
import { pino } from 'pino';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { displayName } from '../start/dataFolder.ts';
import { CommandFailure } from './failure.ts';
import { findDatabases, notReachable } from './findDatabases.ts';

/** Longest wait of a command for its databases. */
export const CONNECT_LIMIT_MILLISECONDS = 8_000;

/**
 * Runs the work on MongoDB alone: that of MONGODB_URL, else that of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withMongo(work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = connectMongo(findMongo(), 'worker', pino({ level: 'silent' }));
  try {
    await untilConnected(connection);
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** @throws {CommandFailure} when MongoDB does not answer */
export async function untilConnected(connection: Connection): Promise<void> {
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

function findMongo(): string {
  const { folder, holder, mongoUrl } = findDatabases();
  if (mongoUrl) return mongoUrl;
  if (holder) throw notReachable(folder, holder);
  throw new CommandFailure(
    `Nothing runs on the data folder ${displayName(folder)}. Start it with npm start, or set MONGODB_URL.`,
  );
}
