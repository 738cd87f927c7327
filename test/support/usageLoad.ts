import { Agent, request } from 'node:http';

/** One answer of the server, or that there was none. */
export interface PostOutcome {
  /** 0 when the connection broke. */
  readonly status: number;
  /** What broke the connection, when it did. */
  readonly body: string;
  readonly milliseconds: number;
  readonly retryAfter: string | undefined;
}

/** Posts forms over kept-alive connections; close it when done. */
export class FormPoster {
  // As many sockets as posts: one that waits for a socket would count as slow.
  // And none that idles so long that the server may be about to close it.
  readonly #agent = new Agent({ keepAlive: true, timeout: 5_000 });
  readonly #url: () => string;

  /** @param url - of the endpoint, asked anew for each request */
  constructor(url: () => string) {
    this.#url = url;
  }

  post(fields: Readonly<Record<string, string>>): Promise<PostOutcome> {
    const body = new URLSearchParams(fields).toString();
    const started = performance.now();
    return new Promise((resolve) => {
      const finish = (status: number, text: string, retryAfter?: string) =>
        resolve({ status, body: text, milliseconds: performance.now() - started, retryAfter });
      const sent = request(
        this.#url(),
        {
          method: 'POST',
          agent: this.#agent,
          headers: {
            'Content-Type': 'application/x-www-form-urlencoded',
            'Content-Length': Buffer.byteLength(body),
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => finish(response.statusCode ?? 0, text, response.headers['retry-after']));
          response.on('error', (error) => finish(0, String(error)));
        },
      );
      sent.on('error', (error) => finish(0, String(error)));
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Runs the work for every item, `width` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((left, right) => left.order - right.order)
    .map(({ item }) => item);
}
