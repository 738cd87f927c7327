import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { OutboundHosts } from '../runtime/outboundHosts.ts';
import { readRetryAfter } from './retryAfter.ts';

/** One attempt at a receiver, ready to be sent. */
export interface WebhookMessage {
  readonly url: string;
  /** The ones of Standard Webhooks, with the signatures. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a receiver did with it. */
export type WebhookAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfterMilliseconds: number | undefined;
      /** The beginning of the body, as sent. */
      readonly text: string;
    }
  | { readonly kind: 'unanswered'; readonly reason: string };

/** How long a receiver may take. */
export interface WebhookLimits {
  /** For the look-up of its name, the connection and TLS. */
  readonly connectMilliseconds: number;
  /** Until the head of its answer is there. */
  readonly answerMilliseconds: number;
}

export const WEBHOOK_LIMITS: WebhookLimits = { connectMilliseconds: 5_000, answerMilliseconds: 15_000 };

/** Of the answer's body: enough to see what it is. The status alone decides, so its rest is not waited for. */
const MOST_BODY_BYTES = 4_096;
const LONGEST_BODY_MILLISECONDS = 2_000;
const LONGEST_RETRY_AFTER_MILLISECONDS = 24 * 3_600_000;

class ConnectTimeoutError extends Error {
  override name = 'ConnectTimeoutError';
  readonly code = 'CONNECT_TIMEOUT';
}

/** The connection ended without an answer that HTTP knows. */
class NoAnswerError extends Error {
  override name = 'NoAnswerError';
  readonly code = 'NO_ANSWER';
}

/**
 * Posts webhooks to addresses that strangers have chosen. Every attempt has a connection of its own, goes to addresses that were
 * checked and nowhere else: no redirect is followed, and no proxy of the environment is used.
 */
export class WebhookClient {
  readonly #hosts: OutboundHosts;
  readonly #limits: WebhookLimits;
  // Agents of our own: the global one would take a proxy from the environment where Node is told to.
  readonly #http = new HttpAgent({ keepAlive: false });
  readonly #https = new HttpsAgent({ keepAlive: false });

  constructor(hosts: OutboundHosts, limits: WebhookLimits = WEBHOOK_LIMITS) {
    this.#hosts = hosts;
    this.#limits = limits;
  }

  /**
   * Posts one message.
   *
   * @throws the signal's reason when the signal aborts before there is an answer; nothing else
   */
  async post(message: WebhookMessage, signal: AbortSignal): Promise<WebhookAnswer> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#limits.answerMilliseconds);
    try {
      const response = await this.#send(message, AbortSignal.any([signal, deadline.signal]));
      return {
        kind: 'answered',
        status: response.statusCode ?? 0,
        retryAfterMilliseconds: readRetryAfter(
          response.headers['retry-after'],
          LONGEST_RETRY_AFTER_MILLISECONDS,
        ),
        text: await readBeginning(response),
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (deadline.signal.aborted) {
        return {
          kind: 'unanswered',
          reason: `no answer within ${this.#limits.answerMilliseconds / 1_000} s`,
        };
      }
      return { kind: 'unanswered', reason: describe(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(message: WebhookMessage, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(message.url);
    // Node looks names up with the guard below and connects to addresses without asking it.
    if (isAddress(url.hostname)) await this.#hosts.addressesOf(url.hostname);
    const secure = url.protocol === 'https:';
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (secure ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(message.body),
        'user-agent': 'Millrace-Webhooks/1',
        accept: '*/*',
        'accept-encoding': 'identity',
        ...message.headers,
      },
      agent: secure ? this.#https : this.#http,
      lookup: this.#hosts.lookup,
      signal,
    });
    const connecting = setTimeout(
      () => request.destroy(new ConnectTimeoutError('The connection was not made in time')),
      this.#limits.connectMilliseconds,
    );
    request.on('socket', (socket) =>
      socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting)),
    );
    request.on('response', resolve);
    request.on('error', reject);
    request.on('close', () => {
      clearTimeout(connecting);
      reject(new NoAnswerError('The connection was closed'));
    });
    request.end(message.body);
    return promise;
  }
}

/** Leaves the rest unread; what goes wrong after the head is the receiver's business. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => response.destroy(), LONGEST_BODY_MILLISECONDS);
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MOST_BODY_BYTES) break;
    }
  } catch {
    // The status has come, and the beginning is what there is.
  } finally {
    clearTimeout(timer);
    response.destroy();
  }
  return Buffer.concat(chunks).subarray(0, MOST_BODY_BYTES).toString('utf8');
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^[\d.]+$/.test(hostname);
}

/** The code of what happened. Messages of the system name addresses, which are nobody's business outside. */
function describe(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  if (first instanceof Error && 'code' in first && typeof first.code === 'string')
    return `no answer: ${first.code}`;
  return `no answer: ${first instanceof Error ? first.name : 'unknown'}`;
}
