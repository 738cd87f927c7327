/**
 * A stand-in for a receiver of webhooks. It keeps what it was sent, verifies the signatures with the official package of
 * Standard Webhooks, and behaves as badly as it is told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** One delivery as it arrived, whatever became of it. */
export interface ReceivedWebhook {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Which of the trusted secrets verify it. */
  readonly verifiedBy: readonly string[];
  readonly at: number;
}

/** What the receiver does with a delivery. */
export type ReceiverBehaviour =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Answers late. */
  | { readonly kind: 'answer-slowly'; readonly status: number; readonly milliseconds: number }
  /** Answers when it is told to. */
  | { readonly kind: 'answer-later'; readonly status: number; readonly when: Promise<void> }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Sends the head of an answer and the beginning of a body, and nothing more. */
  | { readonly kind: 'hang-in-body'; readonly status: number }
  /** Sends a body that never ends, as fast as it is read. */
  | { readonly kind: 'flood'; readonly status: number }
  /** Sends headers beyond every limit. */
  | { readonly kind: 'huge-head' }
  /** Speaks another protocol than HTTP. */
  | { readonly kind: 'gibberish' }
  /** Drops the connection instead of an answer. */
  | { readonly kind: 'drop' };

/** @returns the behaviour for a delivery; nothing for 204 */
export type ReceiverScript = (webhook: ReceivedWebhook, earlier: number) => ReceiverBehaviour | undefined;

export interface WebhookReceiver {
  readonly url: string;
  readonly port: number;
  readonly received: readonly ReceivedWebhook[];
  /** Bytes of bodies that were sent. */
  readonly bytesSent: number;
  /** Connections that were opened. */
  readonly connections: number;
  /** Verifies what comes from now on with this secret, too. */
  trust(secret: string): void;
  behave(script: ReceiverScript): void;
  close(): Promise<void>;
}

const FLOOD_CHUNK = Buffer.alloc(64 * 1_024, 'x');

/** Starts the receiver on loopback. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const trusted: string[] = [];
  let script: ReceiverScript = () => undefined;
  let bytesSent = 0;
  let connections = 0;

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  server.on('connection', () => {
    connections += 1;
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const webhook = await readWebhook(request, trusted);
    const behaviour = script(webhook, received.length) ?? { kind: 'answer', status: 204 };
    received.push(webhook);
    switch (behaviour.kind) {
      case 'answer':
        response.writeHead(behaviour.status, behaviour.headers);
        response.end(behaviour.body);
        return;
      case 'answer-slowly':
        setTimeout(() => response.writeHead(behaviour.status).end(), behaviour.milliseconds);
        return;
      case 'answer-later':
        await behaviour.when;
        response.writeHead(behaviour.status).end();
        return;
      case 'hang':
        return;
      case 'hang-in-body':
        response.writeHead(behaviour.status);
        response.write('a beginning');
        return;
      case 'flood':
        response.writeHead(behaviour.status);
        await pipeline(Readable.from(endless()), response);
        return;
      case 'huge-head':
        response.writeHead(200, { 'x-huge': 'x'.repeat(64 * 1_024) }).end();
        return;
      case 'gibberish':
        request.socket.end('220 mail.example ESMTP\r\n');
        return;
      case 'drop':
        response.destroy();
    }
  }

  function* endless(): Generator<Buffer> {
    for (;;) {
      bytesSent += FLOOD_CHUNK.length;
      yield FLOOD_CHUNK;
    }
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server.address());
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    get bytesSent() {
      return bytesSent;
    },
    get connections() {
      return connections;
    },
    trust: (secret) => {
      trusted.push(secret);
    },
    behave: (next) => {
      script = next;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readWebhook(request: IncomingMessage, trusted: readonly string[]): Promise<ReceivedWebhook> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString('utf8');
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers,
    body,
    verifiedBy: trusted.filter((secret) => verifies(secret, body, headers)),
    at: Date.now(),
  };
}

function verifies(secret: string, body: string, headers: Record<string, string>): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}
