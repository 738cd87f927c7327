import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** A client that takes nothing for so long is given up. */
const STALLED_MILLISECONDS = 30_000;

/** How fast a client has to take what it is sent, on the average. */
export interface Pace {
  /** The time in which nothing is asked of it. */
  readonly graceMilliseconds: number;
  readonly bytesPerSecond: number;
}

/** Slower than any connection that shows pictures: an icon is sent within minutes, or not at all. */
const SLOWEST: Pace = { graceMilliseconds: 30_000, bytesPerSecond: 2_048 };

/**
 * Sends what comes, no faster than the client takes it. The source is closed in any case, also when the client goes away;
 * that is no error, also when it went before anything was sent. When the source fails half way the connection is cut, so that nobody takes a part for the whole.
 *
 * @param slowest - what is slower is cut, so that nobody keeps a source open for ever; @defaultValue 2 KiB a second after half a
 *   minute
 */
export async function sendStream(
  source: Readable | AsyncGenerator<Uint8Array>,
  response: Response,
  slowest = SLOWEST,
): Promise<void> {
  response.setTimeout(STALLED_MILLISECONDS, () => response.destroy());
  const timer = watchPace(response, slowest);
  try {
    // `pipeline` refuses an answer that is over already, and leaves the source open.
    if (!response.destroyed) await pipeline(source, response);
  } catch (error) {
    if (!isClientGone(error)) throw error;
  } finally {
    clearInterval(timer);
    await closeSource(source);
  }
}

function watchPace(response: Response, { graceMilliseconds, bytesPerSecond }: Pace): NodeJS.Timeout {
  const { socket } = response;
  const begunAt = performance.now();
  const before = socket?.bytesWritten ?? 0;
  return setInterval(() => {
    const due = ((performance.now() - begunAt - graceMilliseconds) / 1_000) * bytesPerSecond;
    if ((socket?.bytesWritten ?? 0) - before < due) response.destroy();
  }, graceMilliseconds / 3);
}

/** Changes nothing about a source that has ended. */
async function closeSource(source: Readable | AsyncGenerator<Uint8Array>): Promise<void> {
  if (source instanceof Readable) source.destroy();
  else await source.return(undefined);
}

function isClientGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
