import type { Server as HttpServer } from 'node:http';
import type { Logger } from 'pino';
import { Server, type Socket } from 'socket.io';
import { z } from 'zod';
import { isFromForeignPage } from '../configuredOrigins.ts';
import type { AnonymousConnections } from './anonymousConnections.ts';
import type { LiveCallers } from './liveCallers.ts';
import { bearerOf } from './liveCallers.ts';
import { LiveIdentity } from './liveIdentity.ts';
import {
  BatchMessage,
  JOIN_REFUSALS,
  LONGEST_MESSAGE_BYTES,
  RECHECK_CREDENTIAL_MILLISECONDS,
} from './liveMessages.ts';
import { SOCKET_IO_PATH } from './livePaths.ts';
import { LiveSession, type LiveSessionOptions } from './liveSession.ts';
import { MessageTurns } from './messageTurns.ts';

export interface LiveOptions extends Omit<LiveSessionOptions, 'send' | 'onError'> {
  readonly callers: LiveCallers;
  readonly anonymous: AnonymousConnections;
  /** Origins of pages that may connect from a browser. */
  readonly origins: readonly string[];
  readonly mostConnections: number;
  readonly logger: Logger;
}

/** Packets that wait to be sent to one client; more stay in the store until it takes them. */
const MOST_WAITING_PACKETS = 64;

/** Handshake of socket.io-client: `io(url, { auth: { token } })`. */
const HandshakeAuth = z.object({ token: z.string().max(LONGEST_MESSAGE_BYTES).optional() });

/**
 * Attaches Socket.IO to the server, with the events of the icons contract. What a client sees comes through the feed, so
 * it is the same from every web process.
 *
 * @returns how to end all connections
 */
export function attachSocketIo(server: HttpServer, options: LiveOptions): () => void {
  const io = new Server({
    path: SOCKET_IO_PATH,
    // What is none of its own is the raw WebSocket's.
    destroyUpgrade: false,
    serveClient: false,
    cors: { origin: [...options.origins] },
    maxHttpBufferSize: LONGEST_MESSAGE_BYTES,
    connectTimeout: 10_000,
    allowRequest: (request, answer) =>
      answer(
        null,
        io.engine.clientsCount < options.mostConnections && !isFromForeignPage(request, options.origins),
      ),
  });
  io.on('connection', (socket) => serve(socket, options));
  io.attach(server);
  return () => {
    io.disconnectSockets(true);
    // `io.close()` would close the HTTP server too, which has requests to answer.
    io.engine.close();
  };
}

function serve(socket: Socket, { callers, anonymous, logger, ...options }: LiveOptions): void {
  const cutOff = () => {
    turns.close();
    socket.disconnect(true);
  };
  const fail = (error: unknown) => {
    logger.warn({ err: error }, 'A live connection was ended');
    cutOff();
  };
  const turns = new MessageTurns(cutOff, fail);
  let waitingPackets = 0;
  function send(type: string, data: object): boolean {
    waitingPackets += 1;
    socket.emit(type, data);
    const isFull = waitingPackets >= MOST_WAITING_PACKETS;
    if (isFull) turns.hold();
    return !isFull;
  }
  const session = new LiveSession({
    ...options,
    onError: fail,
    send: ({ type, data }) => send(type, data),
  });
  const identity = new LiveIdentity(session, callers, anonymous, socket.request);
  const credential = credentialOf(socket);
  async function identify(): Promise<void> {
    if (!(await identity.check(credential))) cutOff();
  }

  turns.take(identify);
  const recheck = setInterval(() => turns.take(identify), RECHECK_CREDENTIAL_MILLISECONDS).unref();
  socket.conn.on('drain', () => {
    const wasFull = waitingPackets >= MOST_WAITING_PACKETS;
    waitingPackets = 0;
    turns.release();
    if (wasFull) session.resume();
  });
  socket.once('disconnect', () => {
    clearInterval(recheck);
    turns.close();
    identity.close();
  });

  const join = (message: unknown, isAcknowledged: boolean) => {
    turns.take(async () => {
      const batchId = BatchMessage.safeParse(message).data;
      const joining = batchId === undefined ? 'refused' : await session.join(batchId);
      if (joining !== 'joined') {
        send('join_refused', { batch_id: batchId ?? null, message: JOIN_REFUSALS[joining] });
      } else if (isAcknowledged) {
        send('subscribed', { batch_id: batchId, room: batchId });
      }
    });
  };
  const leave = (message: unknown) => {
    turns.take(async () => {
      const batchId = BatchMessage.safeParse(message).data;
      if (batchId !== undefined) session.leave(batchId);
    });
  };
  socket.on('join_batch', (message) => join(message, false));
  socket.on('subscribe_job', (message) => join(message, false));
  socket.on('subscribe_batch', (message) => join(message, true));
  socket.on('leave_batch', leave);
  socket.on('unsubscribe_batch', leave);
  socket.emit('connected', { message: 'Connected to server' });
}

function credentialOf({ handshake }: Socket): string | undefined {
  const token = HandshakeAuth.safeParse(handshake.auth).data?.token;
  return token ? token.replace(/^Bearer +/i, '') : bearerOf(handshake.headers.authorization);
}
