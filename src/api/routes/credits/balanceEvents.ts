import type { Response } from 'express';
import type { Balance } from '../../../domain/credits/ledger.ts';
import { EventStream } from '../../eventStream.ts';
import { balanceView } from './creditFields.ts';

/** Balances as server-sent events. Writes the latest one as fast as the reader takes it. */
export class BalanceEvents {
  readonly #stream: EventStream;
  #latest: Balance | undefined;
  #sent = '';

  constructor(response: Response, heartbeatMilliseconds: number) {
    this.#stream = new EventStream(response, heartbeatMilliseconds);
  }

  begin(): void {
    this.#stream.begin(() => this.#flush());
  }

  show(balance: Balance): void {
    this.#latest = balance;
    this.#flush();
  }

  end(): void {
    this.#stream.end();
  }

  #flush(): void {
    if (this.#stream.isFull || !this.#latest) return;
    // A grant lapses by the clock, so that a balance may change before its version does.
    const event = eventOf(this.#latest);
    if (event === this.#sent) return;
    this.#sent = event;
    this.#stream.write(event);
  }
}

function eventOf(balance: Balance): string {
  return `event: balance\nid: ${balance.version}\ndata: ${JSON.stringify(balanceView(balance))}\n\n`;
}
