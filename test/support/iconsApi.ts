import { expect } from 'vitest';
import { served } from './served.ts';
import { waitFor } from './waitFor.ts';

export interface IconsAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; undefined when it is no JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** The icons contract as one client sees it. */
export class IconsApi {
  readonly url: string;
  readonly #credential: string | undefined;

  /** @param credential - an access token or an API key */
  constructor(url: string, credential?: string) {
    this.url = url;
    this.#credential = credential;
  }

  async ask(path: string, init: RequestInit = {}): Promise<IconsAnswer> {
    const headers = new Headers(init.headers);
    if (this.#credential !== undefined) headers.set('Authorization', `Bearer ${this.#credential}`);
    const response = await fetch(`${this.url}${path}`, { ...init, headers });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  get(path: string): Promise<IconsAnswer> {
    return this.ask(path);
  }

  /** @param body - a text as it is, anything else as JSON */
  post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<IconsAnswer> {
    if (body === undefined) return this.ask(path, { method: 'POST', headers });
    return this.ask(path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  }

  /** What was told to come back is not made, and asked for again. */
  generate(fields: unknown): Promise<IconsAnswer> {
    return served(() => this.post('/api/icons/generate', fields));
  }

  /** Starts a batch and gives its id. */
  async start(fields: object): Promise<string> {
    // What was told to come back is not made.
    const { status, text, body } = await served(() => this.post('/api/icons/generate/batch', fields));
    expect(status, text).toBe(201);
    expect(text).toBe(JSON.stringify({ message: 'Batch generation started', batch_id: body.batch_id }));
    return body.batch_id;
  }

  status(batchId: string): Promise<IconsAnswer> {
    return served(() => this.get(`/api/icons/batch/${batchId}/status`));
  }

  /** Its status, once the batch is over. */
  ended(batchId: string): Promise<IconsAnswer['body']> {
    return waitFor('the batch is over', async () => {
      const { body } = await this.status(batchId);
      return body.status === 'pending' || body.status === 'running' ? undefined : body;
    });
  }

  result(batchId: string): Promise<IconsAnswer> {
    return served(() => this.get(`/api/icons/batch/${batchId}/result`));
  }

  cancel(batchId: string, body?: unknown): Promise<IconsAnswer> {
    return this.post(`/api/icons/batch/${batchId}/cancel`, body);
  }
}

/** The shape of the contract's times. */
export const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Expects a refusal, byte for byte. */
export function expectIconsRefusal(answer: IconsAnswer, status: number, body: object): void {
  expect([answer.status, answer.text]).toEqual([status, JSON.stringify(body)]);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
}
