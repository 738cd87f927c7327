import type { ClientSession, Connection } from 'mongoose';

/** What a write answers, as it is kept. */
export interface Reply {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
}

export type OnceAnswer =
  | { readonly kind: 'first'; readonly reply: Reply }
  /** The write was done before; refusals are replayed too. */
  | { readonly kind: 'replayed'; readonly reply: Reply }
  /** The key belongs to a request with another body. */
  | { readonly kind: 'other-request' };

/** Which write it is that must not be done twice. */
export interface OnceKey {
  /** Made of the caller, the route and the key that the client sent. */
  readonly id: string;
  /** Made of the body: the same key with another one is another request. */
  readonly fingerprint: string;
}

/**
 * Runs a write in one transaction together with keeping its reply, for ever. A thrown error rolls everything back and does
 * not use the key up.
 *
 * @param steps - may run several times and must do nothing outside of the session
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function runOnce(
  _connection: Connection,
  _once: OnceKey,
  _steps: (session: ClientSession) => Promise<Reply>,
): Promise<OnceAnswer> {
  throw new Error('not yet');
}
