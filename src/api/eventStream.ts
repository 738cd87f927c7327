import type { Response } from 'express';

/** What the client waits before it connects again. */
const RETRY_MILLISECONDS = 2_000;

/**
 * An answer of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). What the reader has
 * not taken is never more than Node's buffer and one event, if nothing is written while `isFull`.
 */
export class EventStream {
  readonly #response: Response;
  readonly #heartbeatMilliseconds: number;
  #isFull = false;
  #wasFull = false;

  constructor(response: Response, heartbeatMilliseconds: number) {
    this.#response = response;
    this.#heartbeatMilliseconds = heartbeatMilliseconds;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** @param onDrain - the reader takes more again */
  begin(onDrain: () => void): void {
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would keep the events until it has a buffer full of them.
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': this.#response.req.context.requestId,
    });
    this.write(`retry: ${RETRY_MILLISECONDS}\n\n`);
    const heartbeat = setInterval(() => this.#beat(), this.#heartbeatMilliseconds).unref();
    this.#response.once('close', () => clearInterval(heartbeat));
    this.#response.on('drain', () => {
      this.#isFull = false;
      onDrain();
    });
  }

  /** @returns whether the reader takes more now; else `onDrain` says when */
  write(text: string): boolean {
    if (this.#response.writableEnded || this.#response.destroyed) return true;
    this.#isFull = !this.#response.write(text);
    return !this.#isFull;
  }

  /** A reader that takes nothing would keep the connection open for ever. */
  end(): void {
    if (this.#isFull) this.#response.destroy();
    else this.#response.end();
  }

  /** Whoever has taken nothing since the last beat is gone. */
  #beat(): void {
    if (this.#isFull && this.#wasFull) this.#response.destroy();
    else if (!this.#isFull) this.write(': heartbeat\n\n');
    this.#wasFull = this.#isFull;
  }
}
