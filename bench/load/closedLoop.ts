import autocannon, { type Request, type Result } from 'autocannon';

/** An answer that was not a success spoils a measurement. */
export class FailedRequestsError extends Error {
  override name = 'FailedRequestsError';
}

interface Load {
  /** Such as `http://127.0.0.1:3560`. */
  readonly url: string;
  readonly connections: number;
  /** Each connection sends them in turn, the next one when the last is answered. */
  readonly requests: readonly Request[];
}

export interface ClosedLoopResult {
  /** Requests answered with success per second. */
  readonly rate: number;
  /** Requests that were refused, lost or not answered in time. */
  readonly failed: number;
}

/** Sends as fast as the answers come. */
export async function requestsPerSecond(load: Load, seconds: number): Promise<ClosedLoopResult> {
  const result = await autocannon({ ...load, duration: seconds });
  return { rate: result['2xx'] / result.duration, failed: failures(result) };
}

/**
 * Sends that many requests in all.
 *
 * @throws FailedRequestsError
 */
export async function sendAmount(load: Load, amount: number): Promise<void> {
  const result = await autocannon({ ...load, amount });
  if (result['2xx'] === amount && failures(result) === 0) return;
  throw new FailedRequestsError(
    `${result['2xx']} of ${amount} requests to ${load.url} succeeded, ${failures(result)} failed`,
  );
}

function failures({ non2xx, errors, timeouts }: Result): number {
  return non2xx + errors + timeouts;
}
