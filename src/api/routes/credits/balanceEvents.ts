import type { Response } from 'express';
import type { Balance } from '../../../domain/credits/ledger.ts';
import { balanceView } from './creditFields.ts';

/** What the client waits before it connects again. */
const RETRY_MILLISECONDS = 2_000;

/**
 * Balances as server-sent events. Writes the latest one as fast as the reader takes it; what the reader has not taken is
 * never more than Node's buffer and one event.
 */
export class BalanceEvents {
  readonly #response: Response;
  readonly #heartbeatMilliseconds: number;
  #latest: Balance | undefined;
  #sent = '';
  #isFull = false;
  #wasFull = false;

  constructor(response: Response, heartbeatMilliseconds: number) {
    this.#response = response;
    this.#heartbeatMilliseconds = heartbeatMilliseconds;
  }

  begin(): void {
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would keep the events until it has a buffer full of them.
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': this.#response.req.context.requestId,
    });
    this.#write(`retry: ${RETRY_MILLISECONDS}\n\n`);
    const heartbeat = setInterval(() => this.#beat(), this.#heartbeatMilliseconds).unref();
    this.#response.once('close', () => clearInterval(heartbeat));
    this.#response.on('drain', () => {
      this.#isFull = false;
      this.#flush();
    });
  }

  show(balance: Balance): void {
    this.#latest = balance;
    this.#flush();
  }

  /** A reader that takes nothing would keep the connection open for ever. */
  end(): void {
    if (this.#isFull) this.#response.destroy();
    else this.#response.end();
  }

  #flush(): void {
    if (this.#isFull || !this.#latest) return;
    // A grant lapses by the clock, so that a balance may change before its version does.
    const event = eventOf(this.#latest);
    if (event === this.#sent) return;
    this.#sent = event;
    this.#write(event);
  }

  /** Whoever has taken nothing since the last beat is gone. */
  #beat(): void {
    if (this.#isFull && this.#wasFull) this.#response.destroy();
    else if (!this.#isFull) this.#write(': heartbeat\n\n');
    this.#wasFull = this.#isFull;
  }

  #write(text: string): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#isFull = !this.#response.write(text);
  }
}

function eventOf(balance: Balance): string {
  return `event: balance\nid: ${balance.version}\ndata: ${JSON.stringify(balanceView(balance))}\n\n`;
}
