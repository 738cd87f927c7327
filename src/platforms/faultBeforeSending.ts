import { subscribe } from 'node:diagnostics_channel';

/** Why nothing of a request went out. */
export interface FaultBeforeSending {
  /** For people. */
  readonly reason: string;
  /** Whether it stays until an operator sees to it: nobody trusts the certificate. */
  readonly isForOperator: boolean;
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes, and what the other side says of a certificate of ours. */
const CERTIFICATE_FAULT =
  /CERT|^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/;
/** No deeper chain of causes is known; a circle ends there too. */
const DEEPEST_CAUSE = 5;

/**
 * Faults of making a connection: no address, no answer, no encryption. Only what is behind `fetch` knows when it was made, and
 * the same code may come from a connection that broke under a request (https://undici.nodejs.org/#/docs/api/DiagnosticsChannel).
 */
const connecting = new WeakSet<object>();
subscribe('undici:client:connectError', (message) => {
  if (typeof message !== 'object' || message === null || !('error' in message)) return;
  if (typeof message.error === 'object' && message.error !== null) connecting.add(message.error);
});

/** @returns nothing when something of the request may have gone out, as in any doubt */
export function faultBeforeSending(error: unknown, depth = 0): FaultBeforeSending | undefined {
  if (!(error instanceof Error) || depth > DEEPEST_CAUSE) return undefined;
  if (connecting.has(error)) {
    const code = 'code' in error ? String(error.code) : undefined;
    return {
      reason: code ?? error.message,
      isForOperator: code !== undefined && CERTIFICATE_FAULT.test(code),
    };
  }
  return faultBeforeSending(error.cause, depth + 1);
}
