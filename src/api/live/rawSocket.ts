import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { isFromForeignPage } from '../configuredOrigins.ts';
import { bearerOf } from './liveCallers.ts';
import { LiveIdentity } from './liveIdentity.ts';
import {
  BatchMessage,
  JOIN_REFUSALS,
  LONGEST_MESSAGE_BYTES,
  RECHECK_CREDENTIAL_MILLISECONDS,
} from './liveMessages.ts';
import { RAW_SOCKET_PATH } from './livePaths.ts';
import { LiveSession } from './liveSession.ts';
import { MessageTurns } from './messageTurns.ts';
import type { LiveOptions } from './socketIo.ts';

const MOST_WAITING_BYTES = 64 * 1_024;
const HEARTBEAT_MILLISECONDS = 25_000;
/** Whoever has not said by then whose the connection is, or whose credential has ended, is cut off. */
const UNKNOWN_MILLISECONDS = 15_000;
const LINGER_MILLISECONDS = 1_000;
/** RFC 6455, 7.4.1. */
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

/** A browser cannot send headers with a WebSocket, so the token may come as the first message. */
const ClientMessage = z.union([
  z.object({ type: z.literal('auth'), token: z.string() }),
  z.object({ type: z.enum(['join_batch', 'leave_batch']), batch_id: z.string() }),
]);

/**
 * Attaches the raw WebSocket `/ws`: every event of the caller's batches as `{"type": …, …, "timestamp": seconds}`
 * (the icons contract, Socket.IO, at the end).
 *
 * @returns how to end all connections
 */
export function attachRawSocket(server: HttpServer, options: LiveOptions): () => void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LONGEST_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url?.split('?')[0] !== RAW_SOCKET_PATH) return;
    if (isFromForeignPage(request, options.origins)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    if (sockets.clients.size >= options.mostConnections) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => serve(opened, request, options));
  });
  return () => {
    for (const socket of sockets.clients) {
      socket.close(GOING_AWAY);
      socket.terminate();
    }
  };
}

function serve(
  socket: WebSocket,
  request: IncomingMessage,
  { callers, anonymous, logger, ...options }: LiveOptions,
): void {
  function cutOff(): void {
    turns.close();
    identity.close();
    socket.close(POLICY_VIOLATION);
    // The peer is asked to close too, and need not.
    setTimeout(() => socket.terminate(), LINGER_MILLISECONDS).unref();
  }
  const fail = (error: unknown) => {
    logger.warn({ err: error }, 'A live connection was ended');
    socket.terminate();
  };
  const turns = new MessageTurns(cutOff, fail);
  let isFull = false;
  function send(message: object): boolean {
    socket.send(JSON.stringify(message), () => {
      if (!isFull || socket.bufferedAmount > 0) return;
      isFull = false;
      turns.release();
      session.resume();
    });
    isFull ||= socket.bufferedAmount >= MOST_WAITING_BYTES;
    if (isFull) turns.hold();
    return !isFull;
  }
  const session = new LiveSession({
    ...options,
    onError: fail,
    send: ({ type, data }, at) => send({ type, ...data, timestamp: at / 1_000 }),
  });
  const identity = new LiveIdentity(session, callers, anonymous, request);
  let credential = bearerOf(request.headers.authorization);
  let patience: NodeJS.Timeout | undefined;

  async function identify(): Promise<void> {
    if (!(await identity.check(credential))) return cutOff();
    if (!identity.isKnown) patience ??= setTimeout(cutOff, UNKNOWN_MILLISECONDS).unref();
    else {
      clearTimeout(patience);
      patience = undefined;
    }
  }

  async function act(message: z.infer<typeof ClientMessage>): Promise<void> {
    if (message.type === 'auth') {
      if (identity.isKnown) return;
      credential = message.token;
      await identify();
      if (!identity.isKnown) cutOff();
      return;
    }
    const batchId = BatchMessage.safeParse(message).data;
    if (batchId === undefined) return;
    if (message.type === 'leave_batch') return session.leave(batchId);
    const joining = await session.join(batchId);
    if (joining === 'joined') return;
    send({ type: 'join_refused', batch_id: batchId, message: JOIN_REFUSALS[joining] });
  }

  turns.take(identify);
  socket.on('message', (data) => {
    const message = readMessage(String(data));
    if (message) turns.take(() => act(message));
    else cutOff();
  });
  const stopBeats = beat(socket);
  const recheck = setInterval(() => turns.take(identify), RECHECK_CREDENTIAL_MILLISECONDS).unref();
  socket.on('error', (error) => logger.debug({ err: error }, 'A live connection broke'));
  socket.once('close', () => {
    stopBeats();
    clearInterval(recheck);
    clearTimeout(patience);
    turns.close();
    identity.close();
  });
}

/** Whoever has not answered since the last beat is gone. */
function beat(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, HEARTBEAT_MILLISECONDS).unref();
  return () => clearInterval(timer);
}

function readMessage(text: string): z.infer<typeof ClientMessage> | undefined {
  try {
    return ClientMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
