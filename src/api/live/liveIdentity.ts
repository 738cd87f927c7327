import type { IncomingMessage } from 'node:http';
import type { Reach } from '../../domain/icons/reach.ts';
import type { AnonymousConnections } from './anonymousConnections.ts';
import type { LiveCallers } from './liveCallers.ts';
import type { LiveSession } from './liveSession.ts';

/** Whose one connection is, from time to time anew: a credential may expire or be revoked while the connection stands. */
export class LiveIdentity {
  readonly #session: LiveSession;
  readonly #callers: LiveCallers;
  readonly #anonymous: AnonymousConnections;
  readonly #request: IncomingMessage;
  #caller: Reach | undefined;
  #leaveAnonymous: (() => void) | undefined;
  #isClosed = false;

  constructor(
    session: LiveSession,
    callers: LiveCallers,
    anonymous: AnonymousConnections,
    request: IncomingMessage,
  ) {
    this.#session = session;
    this.#callers = callers;
    this.#anonymous = anonymous;
    this.#request = request;
  }

  get isKnown(): boolean {
    return this.#caller !== undefined;
  }

  /**
   * Looks at the credential. One that is not good, or no more, leaves a connection that sees nothing.
   *
   * @returns false when there are too many such connections
   * @throws ServiceUnavailableError when a store is away, or the process shows as much as it can
   */
  async check(credential: string | undefined): Promise<boolean> {
    const caller = await this.#callers.find(credential);
    if (this.#isClosed) return true;
    if (caller && isSame(caller, this.#caller)) return true;
    this.#session.forget();
    this.#caller = caller;
    if (!caller) {
      this.#leaveAnonymous ??= this.#anonymous.enter(this.#request);
      return this.#leaveAnonymous !== undefined;
    }
    this.#leave();
    await this.#session.identify(caller);
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#leave();
    this.#session.close();
  }

  #leave(): void {
    this.#leaveAnonymous?.();
    this.#leaveAnonymous = undefined;
  }
}

function isSame(one: Reach, other: Reach | undefined): boolean {
  return one.owner === other?.owner && one.sees_all === other.sees_all;
}
