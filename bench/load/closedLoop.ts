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

/**
 * Sends as fast as the answers come.
 *
 * @returns requests answered with success per second
 * @throws FailedRequestsError when one of them was not
 */
export async function requestsPerSecond(load: Load, seconds: number): Promise<number> {
  const result = await autocannon({ ...load, duration: seconds });
  requireSuccess(load.url, result);
  return result['2xx'] / result.duration;
}

/**
 * Sends that many requests in all.
 *
 * @throws FailedRequestsError
 */
export async function sendAmount(load: Load, amount: number): Promise<void> {
  const result = await autocannon({ ...load, amount });
  requireSuccess(load.url, result);
  if (result['2xx'] !== amount) {
    throw new FailedRequestsError(`${result['2xx']} of ${amount} requests to ${load.url} were answered`);
  }
}

function requireSuccess(url: string, { non2xx, errors, timeouts }: Result): void {
  if (non2xx + errors + timeouts === 0) return;
  throw new FailedRequestsError(
    `Requests to ${url} failed: ${non2xx} refused, ${errors} lost, ${timeouts} without an answer in time`,
  );
}
