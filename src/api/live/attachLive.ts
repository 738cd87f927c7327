import type { Server as HttpServer } from 'node:http';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../../config/env.ts';
import { findBatch, listActiveBatches } from '../../models/iconBatches.ts';
import { CredentialCheck } from '../access/credentialCheck.ts';
import { AnonymousConnections } from './anonymousConnections.ts';
import type { BatchFeed } from './batchFeed.ts';
import { LiveCallers } from './liveCallers.ts';
import { attachRawSocket } from './rawSocket.ts';
import { attachSocketIo, type LiveOptions } from './socketIo.ts';
import { UpgradedSockets } from './upgradedSockets.ts';

/** Of each kind and process. */
const MOST_CONNECTIONS = 2_000;
/** Of both kinds, of those that see nothing. */
const MOST_ANONYMOUS_OF_ADDRESS = 200;

interface LiveDependencies {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly feed: BatchFeed;
}

/**
 * Attaches live connections to the server: Socket.IO at `/socket.io/` and a raw WebSocket at `/ws`.
 *
 * @returns how to end them. Comes before the HTTP server is closed, which waits for its connections.
 */
export function attachLive(
  server: HttpServer,
  { environment, connection, feed }: LiveDependencies,
  logger: Logger,
): () => void {
  const options: LiveOptions = {
    feed,
    findBatch: (batchId) => findBatch(connection, batchId),
    listActive: (owner) => listActiveBatches(connection, owner),
    callers: new LiveCallers(new CredentialCheck(environment, connection), environment),
    anonymous: new AnonymousConnections(MOST_ANONYMOUS_OF_ADDRESS, environment.TRUSTED_PROXIES),
    origins: environment.CORS_ORIGINS,
    mostConnections: MOST_CONNECTIONS,
    logger,
  };
  const upgraded = new UpgradedSockets(server);
  const endSocketIo = attachSocketIo(server, options);
  const endRawSockets = attachRawSocket(server, options);
  return () => {
    endSocketIo();
    endRawSockets();
    upgraded.close();
  };
}
