import { HttpConnection } from './httpConnection.ts';

/** An answer that was not a success spoils a measurement. */
export class FailedRequestsError extends Error {
  override name = 'FailedRequestsError';
}

interface Load {
  /** Such as `http://127.0.0.1:3560`. */
  readonly url: string;
  readonly connections: number;
  /** The connections send them in turn, each the next one when its last is answered. */
  readonly requests: readonly Buffer[];
}

export interface ClosedLoopResult {
  /** Requests answered with success per second. */
  readonly rate: number;
  /** Requests that were answered with another status. */
  readonly failed: number;
}

/** Sends as fast as the answers come. */
export async function requestsPerSecond(load: Load, seconds: number): Promise<ClosedLoopResult> {
  const until = performance.now() + seconds * 1_000;
  return send(load, () => performance.now() < until);
}

/**
 * Sends that many requests in all.
 *
 * @throws FailedRequestsError
 */
export async function sendAmount(load: Load, amount: number): Promise<void> {
  let left = amount;
  const { failed } = await send(load, () => left-- > 0);
  if (failed > 0) throw new FailedRequestsError(`${failed} of ${amount} requests to ${load.url} failed`);
}

async function send({ url, connections, requests }: Load, more: () => boolean): Promise<ClosedLoopResult> {
  const opened = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(url)));
  const startedAt = performance.now();
  let sent = 0;
  let succeeded = 0;
  let failed = 0;
  const keepSending = async (connection: HttpConnection) => {
    while (more()) {
      const request = requests[sent++ % requests.length];
      if (!request) throw new RangeError('There is no request to send');
      if ((await connection.send(request)) === 200) succeeded++;
      else failed++;
    }
  };
  try {
    await Promise.all(opened.map(keepSending));
    return { rate: (succeeded / (performance.now() - startedAt)) * 1_000, failed };
  } finally {
    for (const connection of opened) connection.close();
  }
}
