/** System calls that come before the first byte of a request. */
const BEFORE_SENDING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
const CONNECT_TIMEOUT = 'UND_ERR_CONNECT_TIMEOUT';
/** No deeper chain of causes is known; a circle ends there too. */
const DEEPEST_CAUSE = 5;

/** Whether a request failed before anything of it went out: no address, no connection. In doubt it went out. */
export function wasNeverSent(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > DEEPEST_CAUSE) return false;
  if ('code' in error && error.code === CONNECT_TIMEOUT) return true;
  if ('syscall' in error && BEFORE_SENDING.has(error.syscall)) return true;
  // Several addresses of one name were tried in turn.
  if (error instanceof AggregateError) {
    return error.errors.length > 0 && error.errors.every((one) => wasNeverSent(one, depth + 1));
  }
  return wasNeverSent(error.cause, depth + 1);
}
