/**
 * A stand-in for OpenAI's images API. It checks requests like the installed package's parameter types, counts what would
 * have been paid, and behaves as badly as it is told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { OpenAiBehaviour, OpenAiScript } from './openai/behaviour.ts';
import { drawImage, type ImageKind } from './openai/drawImage.ts';
import {
  type Fault,
  invalidRequest,
  MODERATED,
  NO_KEY,
  NO_QUOTA,
  rateLimited,
  serverFault,
  unknownAddress,
  wrongKey,
} from './openai/faults.ts';
import { type Generation, readGeneration } from './openai/readGeneration.ts';
import { formatDuration, SlidingLimit } from './openai/slidingLimit.ts';
import { type Usage, usageOf } from './openai/tokens.ts';

/** One request as it arrived, whatever became of it. Times are of `performance.now()`. */
export interface ReceivedRequest {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** What was asked for, when the request was valid. */
  readonly generation: Generation | undefined;
  /** What the server did. */
  readonly became: OpenAiBehaviour['kind'] | 'refused' | 'over-limit';
}

/** A generation that began, and so was paid. */
export interface PaidGeneration {
  readonly at: number;
  readonly prompt: string;
  readonly model: string;
  readonly images: number;
  readonly tokens: number;
}

export interface OpenAiServer {
  /** For `OPENAI_BASE_URL`. */
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** In the order in which they began. A client that goes away does not undo one. */
  readonly paid: readonly PaidGeneration[];
  /** How often that prompt was paid. */
  paidFor(prompt: string): number;
  behave(script: OpenAiScript): void;
  close(): Promise<void>;
}

export interface OpenAiServerOptions {
  readonly apiKey: string;
  /** How long an ordinary generation takes. @defaultValue 0 */
  readonly latencyMilliseconds?: number;
  /** In any 60 seconds; told in the headers. */
  readonly limits?: {
    readonly requests: number;
    readonly tokens: number;
    /** Whether a request beyond them is refused. */
    readonly enforced: boolean;
  };
  /** @defaultValue a free port */
  readonly port?: number;
}

const PATH = '/v1/images/generations';
const LARGEST_BODY_BYTES = 1_048_576;
const WIDE_LIMITS = { requests: 10_000, tokens: 10_000_000, enforced: false };

/** Starts the server on loopback. */
export async function startOpenAiServer(options: OpenAiServerOptions): Promise<OpenAiServer> {
  const received: ReceivedRequest[] = [];
  const paid: PaidGeneration[] = [];
  const limits = options.limits ?? WIDE_LIMITS;
  const requests = new SlidingLimit(limits.requests);
  const tokens = new SlidingLimit(limits.tokens);
  const closing = new AbortController();
  let script: OpenAiScript = () => undefined;

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const body = await readBody(request);
    const method = request.method ?? '';
    const path = request.url ?? '';
    const entry = { at, method, path, headers: request.headers, body };

    const fault = faultOf(request, body);
    const generation = fault === undefined ? readGeneration(body) : { fault };
    if ('fault' in generation) {
      received.push({ ...entry, generation: undefined, became: 'refused' });
      return refuse(response, generation.fault);
    }
    const usage = usageOf(generation);
    const overLimit = limits.enforced ? overLimitFault(at, usage) : undefined;
    if (overLimit !== undefined) {
      received.push({ ...entry, generation, became: 'over-limit' });
      return refuse(response, overLimit);
    }
    requests.use(at, 1);
    tokens.use(at, usage.total_tokens);
    const behaviour = script(generation, received.length) ?? { kind: 'make' };
    received.push({ ...entry, generation, became: behaviour.kind });
    await behaveAs(behaviour, generation, usage, response);
  }

  function faultOf(request: IncomingMessage, body: string): Fault | undefined {
    if (request.url !== PATH || request.method !== 'POST') {
      return unknownAddress(request.method ?? '', request.url ?? '');
    }
    const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (key === undefined) return NO_KEY;
    if (key !== options.apiKey) return wrongKey(key);
    if (body.length > LARGEST_BODY_BYTES) return invalidRequest(null, null, 'The body is too large.', 413);
    return undefined;
  }

  function overLimitFault(now: number, usage: Usage): Fault | undefined {
    const untilRequest = requests.freeIn(now, 1);
    const untilTokens = tokens.freeIn(now, usage.total_tokens);
    const milliseconds = Math.ceil(Math.max(untilRequest, untilTokens));
    if (milliseconds === 0) return undefined;
    return rateLimited({ milliseconds }, untilRequest >= untilTokens ? 'requests' : 'tokens');
  }

  async function behaveAs(
    behaviour: OpenAiBehaviour,
    generation: Generation,
    usage: Usage,
    response: ServerResponse,
  ): Promise<void> {
    switch (behaviour.kind) {
      case 'make':
        pay(generation, usage);
        await wait(behaviour.milliseconds ?? options.latencyMilliseconds ?? 0, undefined, {
          signal: closing.signal,
        });
        await behaviour.until;
        return succeed(response, await contentOf(generation, usage, behaviour.image ?? 'good'));
      case 'make-and-hang':
        return pay(generation, usage);
      case 'make-and-drop':
        pay(generation, usage);
        response.destroy();
        return;
      case 'make-and-break-off':
        pay(generation, usage);
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100_000 });
        response.write('{"created":1,', () => response.destroy());
        return;
      case 'make-and-answer':
        pay(generation, usage);
        return succeed(response, behaviour.body);
      case 'rate-limit':
        await behaviour.until;
        return refuse(response, rateLimited(behaviour.retryAfter ?? 'unsaid'));
      case 'no-quota':
        await behaviour.until;
        return refuse(response, NO_QUOTA);
      case 'moderate':
        return refuse(response, MODERATED);
      case 'fail':
        return refuse(response, serverFault(behaviour.status));
      case 'answer':
        response.writeHead(behaviour.status, { 'content-type': 'application/json', ...behaviour.headers });
        response.end(behaviour.body);
        return;
      case 'drop':
        response.destroy();
    }
  }

  function pay(generation: Generation, usage: Usage): void {
    const { prompt, model, n } = generation;
    paid.push({ at: performance.now(), prompt, model, images: n, tokens: usage.total_tokens });
  }

  function succeed(response: ServerResponse, body: string): void {
    response.writeHead(200, { 'content-type': 'application/json', ...limitHeaders() });
    response.end(body);
  }

  function refuse(response: ServerResponse, fault: Fault): void {
    response.writeHead(fault.status, {
      'content-type': 'application/json',
      ...(fault.status === 429 ? limitHeaders() : {}),
      ...fault.headers,
    });
    response.end(JSON.stringify({ error: fault.error }));
  }

  function limitHeaders(): Record<string, string> {
    const now = performance.now();
    return {
      'x-ratelimit-limit-requests': String(requests.limit),
      'x-ratelimit-remaining-requests': String(requests.remaining(now)),
      'x-ratelimit-reset-requests': formatDuration(requests.resetIn(now)),
      'x-ratelimit-limit-tokens': String(tokens.limit),
      'x-ratelimit-remaining-tokens': String(tokens.remaining(now)),
      'x-ratelimit-reset-tokens': formatDuration(tokens.resetIn(now)),
    };
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}/v1`,
    received,
    paid,
    paidFor: (prompt) => paid.filter((generation) => generation.prompt === prompt).length,
    behave: (next) => {
      script = next;
    },
    close: async () => {
      const closed = once(server, 'close');
      closing.abort();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function contentOf(generation: Generation, usage: Usage, kind: ImageKind): Promise<string> {
  const images = await Promise.all(
    Array.from({ length: generation.n }, (_, index) => drawImage(generation, index, kind)),
  );
  return JSON.stringify({
    created: Math.floor(Date.now() / 1_000),
    background: generation.background,
    output_format: generation.format,
    quality: generation.quality,
    size: `${generation.width}x${generation.height}`,
    data: images.map((image) => ({ b64_json: image.toString('base64') })),
    usage,
  });
}

/** The body, cut a little beyond what is taken. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (size <= LARGEST_BODY_BYTES) chunks.push(chunk);
    size += chunk.length;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}
