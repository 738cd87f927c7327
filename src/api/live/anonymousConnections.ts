import type { IncomingMessage } from 'node:http';
import { clientAddress } from '../limits/clientAddress.ts';

/** Bounds the connections of each address that have not said whose they are: anybody can open them. */
export class AnonymousConnections {
  readonly #most: number;
  readonly #proxies: number;
  readonly #counts = new Map<string, number>();

  /** @param proxies - how many proxies in front are trusted to say who the client is */
  constructor(most: number, proxies: number) {
    this.#most = most;
    this.#proxies = proxies;
  }

  /** @returns how to leave, once; nothing when the address has as many as it may */
  enter(request: IncomingMessage): (() => void) | undefined {
    const address = this.#addressOf(request);
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#most) return undefined;
    this.#counts.set(address, count + 1);
    return () => {
      const left = (this.#counts.get(address) ?? 1) - 1;
      if (left === 0) this.#counts.delete(address);
      else this.#counts.set(address, left);
    };
  }

  /** Each proxy appends whom it heard from; the last one is heard by the server itself. */
  #addressOf({ headers, socket }: IncomingMessage): string {
    const forwarded = String(headers['x-forwarded-for'] ?? '').split(',');
    const chain = [...forwarded.map((address) => address.trim()), socket.remoteAddress ?? ''];
    return clientAddress(chain.at(-1 - this.#proxies) ?? chain[0] ?? '');
  }
}
