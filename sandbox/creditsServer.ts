/**
 * A stand-in for another server that speaks the credits contract. Like the contract's first server it knows no holds and
 * charges a repeat again, unless it is told to honour keys; and it behaves as badly as it is told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as it arrived, whatever became of it. */
export interface ReceivedCall {
  readonly operation: 'user-info' | 'deduct-credits' | 'add-credits' | 'other';
  readonly apiKey: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A change of a balance: negative for a deduction. */
export interface CreditsChange {
  readonly user_id: string;
  readonly amount: number;
  readonly description: unknown;
  readonly transaction_type: unknown;
}

/** What the server does with a call. */
export type CreditsBehaviour =
  | { readonly kind: 'serve' }
  /** Answers without an effect. */
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  /** Neither has an effect nor answers. */
  | { readonly kind: 'hang' }
  /** Has its effect and never answers. */
  | { readonly kind: 'serve-and-hang' }
  /** Has its effect and drops the connection before the answer. */
  | { readonly kind: 'serve-and-drop' }
  /** Has its effect and answers when it is told to. */
  | { readonly kind: 'serve-later'; readonly until: Promise<unknown> };

/** @returns the behaviour for a call; nothing for the ordinary one */
export type CreditsScript = (call: ReceivedCall) => CreditsBehaviour | undefined;

export interface CreditsSandbox {
  readonly url: string;
  readonly received: readonly ReceivedCall[];
  /** In the order in which they were made. */
  readonly changes: readonly CreditsChange[];
  /** Makes a user, or gives it another balance. */
  setCredits(userId: string, credits: number): void;
  credits(userId: string): number | undefined;
  behave(script: CreditsScript): void;
  close(): Promise<void>;
}

export interface CreditsSandboxOptions {
  readonly apiKey: string;
  /** A change whose key was served already is answered again without an effect. @defaultValue false */
  readonly honoursKeys?: boolean;
  /** @defaultValue a free port */
  readonly port?: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Starts the server on loopback. */
export async function startCreditsServer(options: CreditsSandboxOptions): Promise<CreditsSandbox> {
  const balances = new Map<string, number>();
  const received: ReceivedCall[] = [];
  const changes: CreditsChange[] = [];
  const answered = new Map<string, Answer>();
  let script: CreditsScript = () => undefined;

  const server = createServer((request, response) => {
    void take(request, response).catch(() => response.destroy());
  });

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await readCall(request);
    received.push(call);
    const behaviour = script(call) ?? { kind: 'serve' };
    switch (behaviour.kind) {
      case 'hang':
        return;
      case 'answer':
        send(response, behaviour);
        return;
      case 'serve':
        send(response, serve(call));
        return;
      case 'serve-and-hang':
        serve(call);
        return;
      case 'serve-and-drop':
        serve(call);
        response.destroy();
        return;
      case 'serve-later': {
        const answer = serve(call);
        await behaviour.until;
        send(response, answer);
      }
    }
  }

  function serve(call: ReceivedCall): Answer {
    if (call.apiKey !== options.apiKey) {
      return refuse(401, 'Invalid or missing API key. Include X-API-Key header or api_key parameter.');
    }
    const key = options.honoursKeys ? call.idempotencyKey : undefined;
    const earlier = key === undefined ? undefined : answered.get(key);
    if (earlier) return earlier;
    const answer = answerTo(call);
    if (key !== undefined) answered.set(key, answer);
    return answer;
  }

  function answerTo({ operation, body }: ReceivedCall): Answer {
    const userId = String(body.user_id);
    const amount = Number(body.amount);
    const balance = balances.get(userId);
    switch (operation) {
      case 'user-info':
        return succeed({ credits: balance ?? 0, user_id: userId });
      case 'deduct-credits':
        if (balance === undefined || balance < amount) {
          return refuse(400, 'Insufficient credits or deduction failed');
        }
        return succeed({ credits_deducted: amount, new_balance: change(body, -amount) });
      case 'add-credits':
        if (balance === undefined) return refuse(404, 'User not found');
        return succeed({ credits_added: amount, new_balance: change(body, amount) });
      case 'other':
        return refuse(404, 'Not found');
    }
  }

  function change(body: ReceivedCall['body'], amount: number): number {
    const userId = String(body.user_id);
    const balance = (balances.get(userId) ?? 0) + amount;
    balances.set(userId, balance);
    const { description, transaction_type } = body;
    changes.push({ user_id: userId, amount, description, transaction_type });
    return balance;
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    received,
    changes,
    setCredits: (userId, credits) => {
      balances.set(userId, credits);
    },
    credits: (userId) => balances.get(userId),
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

async function readCall(request: IncomingMessage): Promise<ReceivedCall> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url ?? '/', 'http://sandbox');
  const text = Buffer.concat(chunks).toString('utf8');
  return {
    operation: operationOf(request.method, url.pathname),
    apiKey: header(request, 'x-api-key') ?? url.searchParams.get('api_key') ?? undefined,
    idempotencyKey: header(request, 'idempotency-key'),
    body: text === '' ? Object.fromEntries(url.searchParams) : JSON.parse(text),
  };
}

function operationOf(method: string | undefined, path: string): ReceivedCall['operation'] {
  if (method === 'GET' && path === '/api/unified/user-info') return 'user-info';
  if (method === 'POST' && path === '/api/unified/deduct-credits') return 'deduct-credits';
  if (method === 'POST' && path === '/api/unified/add-credits') return 'add-credits';
  return 'other';
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function succeed(body: Readonly<Record<string, unknown>>): Answer {
  const timestamp = `${new Date().toISOString().slice(0, -1)}000`;
  return { status: 200, body: JSON.stringify({ success: true, ...body, timestamp }) };
}

function refuse(status: number, error: string): Answer {
  return { status, body: JSON.stringify({ success: false, error }) };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}
