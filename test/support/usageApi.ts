import { expect } from 'vitest';
import { served } from './served.ts';

/** What came back, the body as it was on the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

type FormFields = Readonly<Record<string, string>>;

/** The usage endpoints as a client sees them. */
export class UsageApi {
  readonly url: string;
  readonly #adminKey: string;

  constructor(url: string, adminKey: string) {
    this.url = url;
    this.#adminKey = adminKey;
  }

  async ask(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** With the operator's key. */
  operate(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers);
    headers.set('Authorization', `Bearer ${this.#adminKey}`);
    return this.ask(path, { ...init, headers });
  }

  post(
    body: NonNullable<RequestInit['body']>,
    contentType?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.ask('/api/tools/update', {
      method: 'POST',
      body,
      headers: { ...(contentType === undefined ? {} : { 'Content-Type': contentType }), ...headers },
    });
  }

  form(fields: FormFields, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    return this.post(new URLSearchParams(fields), undefined, headers);
  }

  json(fields: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    return this.post(JSON.stringify(fields), 'application/json', headers);
  }

  multipart(fields: FormFields): Promise<Answer> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    return this.post(form);
  }

  /** Reports, and expects it to be taken. */
  async report(fields: Readonly<Record<string, unknown>>): Promise<{ recordId: number; text: string }> {
    const answer = await served(() => this.json(fields));
    expect(answer.status, answer.text).toBe(200);
    return { recordId: recordIdOf(answer), text: answer.text };
  }

  batch(
    body: NonNullable<RequestInit['body']>,
    contentType = 'application/json',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return this.operate('/api/tools/update/batch', {
      method: 'POST',
      body,
      headers: { 'Content-Type': contentType, ...headers },
    });
  }

  /** The five sums as they were printed, so that no float stands between. */
  async stats(userName: string, query = ''): Promise<Readonly<Record<string, string>>> {
    const answer = await served(() => this.ask(`/api/tools/stats/${encodeURIComponent(userName)}${query}`));
    expect(answer.status, answer.text).toBe(200);
    return exactJson(answer.text).data.stats;
  }
}

/** The sums of a user, in the order of the contract. */
export function sums(
  imageCount: string,
  imageCost: string,
  videoCount: string,
  videoCost: string,
  total: string,
): Record<string, string> {
  return {
    total_image_count: imageCount,
    total_image_cost: imageCost,
    total_video_count: videoCount,
    total_video_cost: videoCost,
    total_cost: total,
  };
}

/** JSON in which every number is the text of its digits. */
export function exactJson(text: string) {
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? context?.source : value;
  return JSON.parse(text, keepDigits);
}

export function recordIdOf(answer: Pick<Answer, 'text'>): number {
  return JSON.parse(answer.text).data.record_id;
}

/** The contract's refusal, byte for byte. */
export function refusal(message: string): string {
  return `{"status":"error","message":${JSON.stringify(message)}}`;
}
