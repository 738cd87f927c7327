/**
 * A stand-in for another server that speaks the usage contract, for the relay. It keeps what it was sent in order, and
 * behaves as badly as it is told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One post as it arrived, whatever became of it. */
export interface ReceivedPost {
  readonly path: string;
  readonly contentType: string;
  readonly idempotencyKey: string | undefined;
  readonly fields: Readonly<Record<string, string>>;
  readonly at: number;
}

/** A report that counts at this server. */
export interface CountedReport {
  readonly key: string | undefined;
  readonly userName: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the server does with a post. */
export type Behaviour =
  | { readonly kind: 'take' }
  /** Answers without counting. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string;
    }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Counts the report and drops the connection before the answer. */
  | { readonly kind: 'take-and-drop' }
  /** Counts the report and answers when it is told to. */
  | { readonly kind: 'take-later'; readonly until: Promise<unknown> };

/** @returns the behaviour for a post; nothing for the ordinary one */
export type Script = (post: ReceivedPost, earlierPosts: number) => Behaviour | undefined;

export interface UsageServer {
  readonly url: string;
  readonly received: readonly ReceivedPost[];
  /** In the order in which they were counted. */
  readonly counted: readonly CountedReport[];
  /** Posts whose sender went away before the answer. */
  readonly abandoned: number;
  behave(script: Script): void;
  close(): Promise<void>;
}

export interface UsageServerOptions {
  /** A post whose key was counted already is answered without counting. @defaultValue true */
  readonly honoursKeys?: boolean;
  /** @defaultValue a free port */
  readonly port?: number;
}

/** Starts the server on loopback. */
export async function startUsageServer(options: UsageServerOptions = {}): Promise<UsageServer> {
  const honoursKeys = options.honoursKeys ?? true;
  const received: ReceivedPost[] = [];
  const counted: CountedReport[] = [];
  const countedKeys = new Set<string>();
  let script: Script = () => undefined;
  let abandoned = 0;

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.once('close', () => {
      if (!response.writableFinished) abandoned += 1;
    });
    const post = await readPost(request);
    const behaviour = script(post, received.length) ?? { kind: 'take' };
    received.push(post);
    switch (behaviour.kind) {
      case 'hang':
        return;
      case 'answer':
        response.writeHead(behaviour.status, { 'content-type': 'application/json', ...behaviour.headers });
        response.end(behaviour.body);
        return;
      case 'take':
        succeed(response, count(post));
        return;
      case 'take-and-drop':
        count(post);
        response.destroy();
        return;
      case 'take-later': {
        const recordId = count(post);
        await behaviour.until;
        succeed(response, recordId);
      }
    }
  }

  function count(post: ReceivedPost): number {
    const key = post.idempotencyKey;
    if (honoursKeys && key !== undefined) {
      if (countedKeys.has(key)) return counted.findIndex((report) => report.key === key) + 1;
      countedKeys.add(key);
    }
    counted.push({ key, userName: post.fields.userName ?? '', fields: post.fields });
    return counted.length;
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    received,
    counted,
    get abandoned() {
      return abandoned;
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

async function readPost(request: IncomingMessage): Promise<ReceivedPost> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const key = request.headers['idempotency-key'];
  return {
    path: request.url ?? '',
    contentType: request.headers['content-type'] ?? '',
    idempotencyKey: typeof key === 'string' ? key : undefined,
    fields: Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8'))),
    at: performance.now(),
  };
}

function succeed(response: ServerResponse, recordId: number): void {
  const body = {
    status: 'success',
    message: 'Tools usage data logged successfully',
    data: { record_id: recordId },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}
