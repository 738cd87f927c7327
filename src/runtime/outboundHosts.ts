import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Asks for every address of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Somebody else chose the address, and it leads into the network that this process stands in. */
export class HostNotAllowedError extends Error {
  override name = 'HostNotAllowedError';
  readonly code = 'HOST_NOT_ALLOWED';

  constructor() {
    super('The host has an address that is not public');
  }
}

export interface OutboundHostsOptions {
  /** Lets requests go to loopback and private addresses. */
  readonly allowPrivate: boolean;
  /** @defaultValue what the operating system answers */
  readonly resolve?: ResolveHost;
}

/**
 * Decides which hosts a request may go to whose address somebody else has chosen. A name is looked up when the
 * connection is made, and the connection goes to the very addresses that were checked: a name that answers differently
 * the second time gains nothing.
 */
export class OutboundHosts {
  readonly #allowPrivate: boolean;
  readonly #resolve: ResolveHost;
  readonly #running = new Map<string, Promise<readonly LookupAddress[]>>();

  constructor(options: OutboundHostsOptions) {
    this.#allowPrivate = options.allowPrivate;
    this.#resolve = options.resolve ?? ((hostname) => lookup(hostname, { all: true, order: 'verbatim' }));
  }

  /**
   * The addresses of a host name, or of an address in text; an IPv6 address may stand in brackets.
   *
   * @throws HostNotAllowedError when one of them is not public; what the resolver throws
   */
  async addressesOf(host: string): Promise<LookupAddress[]> {
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    const family = isIP(bare);
    const addresses = family === 0 ? await this.#lookUpOnce(bare) : [{ address: bare, family }];
    if (!this.#allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) {
      throw new HostNotAllowedError();
    }
    return [...addresses];
  }

  /** For `lookup` of a connection. Node calls it for names only: an address in the URL has to be checked before. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.addressesOf(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (options.all) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };

  /** A look-up cannot be called off and holds one of few threads: a name whose servers are slow gets one at a time. */
  #lookUpOnce(hostname: string): Promise<readonly LookupAddress[]> {
    const running = this.#running.get(hostname);
    if (running) return running;
    const started = this.#resolve(hostname).finally(() => this.#running.delete(hostname));
    this.#running.set(hostname, started);
    return started;
  }
}

/**
 * True for an address that anybody in the internet can have. Everything with a meaning of its own is not: loopback, private,
 * link-local, carrier-grade NAT, multicast, documentation, and IPv6 addresses with an IPv4 address inside.
 */
export function isPublicAddress(text: string): boolean {
  // The library reads more notations than the system that makes the connection.
  if (isIP(text) === 0) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  // The library calls unicast what it does not know, such as ::127.0.0.1; only 2000::/3 is given out (RFC 4291, 2.4).
  return (
    address.kind() === 'ipv4' ||
    address
      .toByteArray()
      .slice(0, 1)
      .every((byte) => byte >> 5 === 1)
  );
}
