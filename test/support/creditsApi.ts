import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { waitFor } from './waitFor.ts';

/** What came back, the body as it was on the wire. */
export interface CreditsAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

type SentHeaders = Readonly<Record<string, string>>;

/** The shape of the contract's times. */
export const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/;

/** The credits and workspace contract as a client with the shared key sees it. */
export class CreditsApi {
  readonly url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.#key = key;
  }

  /** Without the key. */
  async ask(path: string, init: RequestInit = {}): Promise<CreditsAnswer> {
    const response = await fetch(`${this.url}${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  get(path: string, headers: SentHeaders = {}): Promise<CreditsAnswer> {
    return this.ask(`/api/unified${path}`, { headers: { 'X-API-Key': this.#key, ...headers } });
  }

  delete(path: string, headers: SentHeaders = {}): Promise<CreditsAnswer> {
    return this.ask(`/api/unified${path}`, {
      method: 'DELETE',
      headers: { 'X-API-Key': this.#key, ...headers },
    });
  }

  /** @param body - a text or bytes as they are, anything else as JSON */
  post(path: string, body: unknown, headers: SentHeaders = {}): Promise<CreditsAnswer> {
    return this.ask(`/api/unified${path}`, {
      method: 'POST',
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      headers: { 'X-API-Key': this.#key, 'Content-Type': 'application/json', ...headers },
    });
  }

  /** A write as a client does it that has a key: told to come back, it comes again. */
  async postSurely(path: string, body: unknown): Promise<CreditsAnswer> {
    const key = { 'Idempotency-Key': randomUUID() };
    return waitFor(
      `an answer of ${path}`,
      async () => {
        const answer = await this.post(path, body, key);
        return answer.status === 503 ? undefined : answer;
      },
      60_000,
    );
  }

  async newUser(user_id: string, initial_credits?: number): Promise<string> {
    await success(
      this.post('/create-user', { user_id, username: user_id, email: 'u@example.test', initial_credits }),
    );
    return user_id;
  }

  /** Saves a project and gives its code. */
  async save(user_id: string, content: string, more: object = {}): Promise<string> {
    return (await success(this.postSurely('/save-project', newProject(user_id, content, more)))).project_code;
  }

  async credits(userId: string): Promise<number> {
    return (await success(this.get(`/user-info?user_id=${encodeURIComponent(userId)}`))).credits;
  }
}

export function newProject(user_id: string, content: string, more: object = {}) {
  return { user_id, app_source: 'penora', project_type: 'text', title: 'A title', content, ...more };
}

/** The JSON of an answer that has to be the contract's success. */
export async function success(answer: Promise<CreditsAnswer>) {
  const { status, text, headers } = await answer;
  expect(status, text).toBe(200);
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  const body = JSON.parse(text);
  expect(body.success).toBe(true);
  return body;
}

/** Expects the contract's refusal, byte for byte. */
export function expectRefusal({ status, text, headers }: CreditsAnswer, wanted: number, error: string): void {
  expect([status, text]).toEqual([wanted, JSON.stringify({ success: false, error })]);
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
}
