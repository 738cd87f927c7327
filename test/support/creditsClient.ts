import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { served } from './served.ts';
import type { TestSystem } from './testSystem.ts';

export interface CreditsAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The credits endpoints as a client of one web process sees them, with the operator's key. */
export class CreditsClient {
  readonly url: string;
  readonly #adminKey: string;

  constructor(web: { readonly url: string }, system: Pick<TestSystem, 'adminKey'>) {
    this.url = web.url;
    this.#adminKey = system.adminKey;
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<CreditsAnswer> {
    const response = await fetch(`${this.url}/api/unified${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#adminKey}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  get(path: string): Promise<CreditsAnswer> {
    return this.send('GET', path);
  }

  post(path: string, body?: unknown, key?: string): Promise<CreditsAnswer> {
    return this.send('POST', path, body, key === undefined ? {} : { 'Idempotency-Key': key });
  }

  /** As a careful client does: with a key, and once more whenever a busy server says to come back. */
  postSurely(path: string, body: unknown, key: string = randomUUID()): Promise<CreditsAnswer> {
    return served(() => this.post(path, body, key));
  }

  /** The JSON of an answer that has to have this status. */
  async expect(status: number, answer: Promise<CreditsAnswer>) {
    const { status: actual, text } = await answer;
    expect(actual, text).toBe(status);
    return JSON.parse(text);
  }

  async newUser(userId: string, credits: number): Promise<string> {
    await this.expect(
      200,
      this.postSurely('/create-user', {
        user_id: userId,
        username: userId,
        email: `${userId}@example.org`,
        initial_credits: credits,
      }),
    );
    return userId;
  }

  hold(userId: string, amount: number, more: object = {}) {
    return this.expect(
      201,
      this.postSurely('/holds', { user_id: userId, amount, app_name: 'imagegene', ...more }),
    );
  }

  deduct(userId: string, amount: number, key?: string): Promise<CreditsAnswer> {
    return this.post('/deduct-credits', { user_id: userId, amount, app_name: 'penora' }, key);
  }

  deductSurely(userId: string, amount: number, key?: string): Promise<CreditsAnswer> {
    return this.postSurely('/deduct-credits', { user_id: userId, amount, app_name: 'penora' }, key);
  }

  /** What the user can spend, and what holds set aside. */
  async balance(userId: string): Promise<{ readonly credits: number; readonly held: number }> {
    const { balances } = await this.expect(
      200,
      served(() => this.get(`/balances?user_id=${encodeURIComponent(userId)}`)),
    );
    return { credits: balances[0].credits, held: balances[0].held };
  }

  /** Every movement of the user, newest first, over as many pages as it takes. */
  async movements(userId: string, limit = 1_000) {
    const all = [];
    for (let cursor = ''; ; ) {
      const page = await this.expect(
        200,
        served(() => this.get(`/statement?user_id=${encodeURIComponent(userId)}&limit=${limit}${cursor}`)),
      );
      all.push(...page.movements);
      if (page.next_cursor === null) return all;
      cursor = `&cursor=${page.next_cursor}`;
    }
  }
}

/** How many answers had each status. */
export function statusCounts(answers: readonly { readonly status: number }[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
