import { setTimeout as wait } from 'node:timers/promises';
import mongoose, { type Connection } from 'mongoose';
import type { Logger } from 'pino';
import { ServiceUnavailableError } from './outage.ts';

/** A web process answers people and gives up soon; a worker has the time it needs. */
export type MongoRole = 'web' | 'worker';

/** Longest search for a server that can write, so that an HTTP answer is possible within two seconds. */
const SERVER_SELECTION_TIMEOUT_MILLISECONDS = 800;
/** A server that is busy for a moment is not away: to take it for that would drop every connection. */
const HEARTBEAT_TIMEOUT_MILLISECONDS = 5_000;
const WEB_POOL_TIMEOUT_MILLISECONDS = 1_000;
const WEB_SOCKET_TIMEOUT_MILLISECONDS = 5_000;
const WORKER_SOCKET_TIMEOUT_MILLISECONDS = 30_000;
const RECONNECT_DELAY_MILLISECONDS = 500;

/**
 * Opens a connection pool of its own (several may live in one process) and returns it before it is connected; a MongoDB
 * that comes later is waited for. Collections and indexes are made by `prepareCollections`, not as a side effect.
 */
export function connectMongo(url: string, role: MongoRole, logger: Logger): Connection {
  const connection = mongoose.createConnection();
  let away = false;
  connection.on('disconnected', () => {
    if (!away) logger.warn('MongoDB is away, reconnecting');
    away = true;
  });
  // A connection that is closed on purpose is not away.
  connection.on('disconnecting', () => {
    away = true;
  });
  connection.on('connected', () => {
    if (away) logger.info('MongoDB is back');
    away = false;
  });
  void keepOpening(connection, url, role, logger);
  return connection;
}

/**
 * The connection, when it is usable now.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export function usable(connection: Connection): Connection {
  if (connection.readyState !== mongoose.ConnectionStates.connected) {
    throw new ServiceUnavailableError('MongoDB is not available; try again in a moment', 2);
  }
  return connection;
}

/** Mongoose gives up when the first connection fails; from the second on the driver reconnects by itself. */
async function keepOpening(
  connection: Connection,
  url: string,
  role: MongoRole,
  logger: Logger,
): Promise<void> {
  let closed = false;
  connection.once('close', () => {
    closed = true;
  });
  for (let attempt = 1; !closed; attempt++) {
    try {
      await connection.openUri(url, {
        serverSelectionTimeoutMS: SERVER_SELECTION_TIMEOUT_MILLISECONDS,
        connectTimeoutMS: HEARTBEAT_TIMEOUT_MILLISECONDS,
        heartbeatFrequencyMS: 1_000,
        minHeartbeatFrequencyMS: 250,
        writeConcern: { w: 'majority', journal: true },
        readConcern: { level: 'majority' },
        autoIndex: false,
        autoCreate: false,
        // Mongoose would keep operations in memory and fail them later, as something else than an outage.
        bufferCommands: false,
        maxPoolSize: 20,
        ...(role === 'web'
          ? {
              socketTimeoutMS: WEB_SOCKET_TIMEOUT_MILLISECONDS,
              waitQueueTimeoutMS: WEB_POOL_TIMEOUT_MILLISECONDS,
            }
          : { socketTimeoutMS: WORKER_SOCKET_TIMEOUT_MILLISECONDS }),
      });
      return;
    } catch (error) {
      if (attempt === 1) logger.warn({ err: error }, 'MongoDB is not there yet, trying on');
      await wait(RECONNECT_DELAY_MILLISECONDS, undefined, { ref: false });
    }
  }
}
