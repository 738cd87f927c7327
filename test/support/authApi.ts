import { randomBytes } from 'node:crypto';
import type { Account, AccountDetails } from '../../src/domain/accounts/account.ts';
import { createAccount } from '../../src/models/accounts.ts';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';
import type { TestSystem } from './testSystem.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; undefined when it is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came
  readonly body: any;
}

/** Everything that must not turn up in a log: passwords and tokens that went over the wire. */
export const secretsSeen = new Set<string>();

export function randomPassword(): string {
  const password = `pw-${randomBytes(12).toString('base64url')}`;
  secretsSeen.add(password);
  return password;
}

const hasher = new PasswordHasher();

/** Adds an account with a random password. */
export async function addAccount(
  system: TestSystem,
  details: AccountDetails,
  password = randomPassword(),
): Promise<{ readonly account: Account; readonly password: string }> {
  secretsSeen.add(password);
  const account = await createAccount(system.connection, details, await hasher.hash(password));
  return { account, password };
}

/** The API as its clients see it, each request from another address behind a proxy (`TRUSTED_PROXIES=1`). */
export class AuthApi {
  readonly url: string;
  #requests = 0;

  constructor(url: string) {
    this.url = url;
  }

  async ask(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    headers.set('X-Forwarded-For', addressOf(this.#requests++));
    const response = await fetch(`${this.url}${path}`, { ...init, headers });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    const body = isJson && text !== '' ? JSON.parse(text) : undefined;
    remember(body);
    return { status: response.status, headers: response.headers, text, body };
  }

  /** @param token - for `Authorization: Bearer` */
  get(path: string, token?: string): Promise<Answer> {
    return this.ask(path, { headers: bearer(token) });
  }

  json(path: string, fields: unknown, token?: string, method = 'POST'): Promise<Answer> {
    return this.ask(path, {
      method,
      body: typeof fields === 'string' ? fields : JSON.stringify(fields),
      headers: { 'Content-Type': 'application/json', ...bearer(token) },
    });
  }

  form(path: string, fields: Readonly<Record<string, string>>): Promise<Answer> {
    return this.ask(path, { method: 'POST', body: new URLSearchParams(fields) });
  }
}

/** Of the networks that are kept for examples. */
function addressOf(index: number): string {
  return `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

function remember(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  for (const [name, value] of Object.entries(body)) {
    if (['access_token', 'refresh_token', 'access', 'refresh'].includes(name) && typeof value === 'string') {
      secretsSeen.add(value);
    }
  }
}
