import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { isFromForeignPage } from '../configuredOrigins.ts';
import { bearerOf } from './liveCallers.ts';
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
 * (contracts/icons.md, Socket.IO, at the end).
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
  { callers, logger, ...options }: LiveOptions,
): void {
  const cutOff = () => socket.close(POLICY_VIOLATION);
  const fail = (error: unknown) => {
    logger.warn({ err: error }, 'A live connection was ended');
    socket.terminate();
  };
  let isFull = false;
  const session = new LiveSession({
    ...options,
    onError: fail,
    send({ type, data }, at) {
      const text = JSON.stringify({ type, ...data, timestamp: at / 1_000 });
      socket.send(text, () => {
        if (!isFull || socket.bufferedAmount > 0) return;
        isFull = false;
        session.resume();
      });
      isFull ||= socket.bufferedAmount >= MOST_WAITING_BYTES;
      return !isFull;
    },
  });
  const turns = new MessageTurns(cutOff, fail);
  let credential = bearerOf(request.headers.authorization);
  let isIdentified = false;

  async function identify(): Promise<void> {
    const caller = await callers.find(credential);
    if (!caller) return;
    isIdentified = true;
    await session.identify(caller);
  }

  async function act(message: z.infer<typeof ClientMessage>): Promise<void> {
    if (message.type === 'auth') {
      if (isIdentified) return;
      credential = message.token;
      await identify();
      if (!isIdentified) cutOff();
      return;
    }
    const batchId = BatchMessage.safeParse(message).data;
    if (batchId === undefined) return;
    if (message.type === 'leave_batch') return session.leave(batchId);
    const joining = await session.join(batchId);
    if (joining === 'joined') return;
    socket.send(JSON.stringify({ type: 'join_refused', batch_id: batchId, message: JOIN_REFUSALS[joining] }));
  }

  turns.take(identify);
  socket.on('message', (data) => {
    const message = readMessage(String(data));
    if (message) turns.take(() => act(message));
    else cutOff();
  });
  const stopBeats = beat(socket);
  const recheck = setInterval(() => {
    turns.take(async () => {
      if (credential !== undefined && !(await callers.find(credential))) cutOff();
    });
  }, RECHECK_CREDENTIAL_MILLISECONDS).unref();
  socket.on('error', (error) => logger.debug({ err: error }, 'A live connection broke'));
  socket.once('close', () => {
    stopBeats();
    clearInterval(recheck);
    session.close();
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
