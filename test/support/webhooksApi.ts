import { expect } from 'vitest';
import { served } from './served.ts';

export interface WebhooksAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReturnType<typeof JSON.parse>;
}

/** The webhook endpoints as an operator sees them. */
export class WebhooksApi {
  readonly url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.#key = key;
  }

  async ask(method: string, path = '', body?: unknown): Promise<WebhooksAnswer> {
    const response = await fetch(`${this.url}/api/webhooks${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#key}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  }

  get(path = ''): Promise<WebhooksAnswer> {
    return this.ask('GET', path);
  }

  post(path = '', body?: unknown): Promise<WebhooksAnswer> {
    return this.ask('POST', path, body);
  }

  /** Comes again when it is told to: what is answered with 503 was not done. */
  postSurely(path: string, body: unknown): Promise<WebhooksAnswer> {
    return served(() => this.post(path, body));
  }

  async register(
    url: string,
    events: readonly string[] = ['credits.low'],
  ): Promise<{ id: string; secret: string }> {
    const answer = await this.postSurely('', { url, events });
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    return answer.body;
  }
}
