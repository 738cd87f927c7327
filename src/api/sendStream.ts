import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** A client that takes nothing for so long is given up. */
const STALLED_MILLISECONDS = 30_000;

/**
 * Sends what comes, no faster than the client takes it. The source is closed in any case, also when the client goes away;
 * that is no error, also when it went before anything was sent. When the source fails half way the connection is cut, so that nobody takes a part for the whole.
 */
export async function sendStream(
  source: Readable | AsyncGenerator<Uint8Array>,
  response: Response,
): Promise<void> {
  response.setTimeout(STALLED_MILLISECONDS, () => response.destroy());
  try {
    // `pipeline` refuses an answer that is over already, and leaves the source open.
    if (!response.destroyed) await pipeline(source, response);
  } catch (error) {
    if (!isClientGone(error)) throw error;
  } finally {
    await closeSource(source);
  }
}

/** Changes nothing about a source that has ended. */
async function closeSource(source: Readable | AsyncGenerator<Uint8Array>): Promise<void> {
  if (source instanceof Readable) source.destroy();
  else await source.return(undefined);
}

function isClientGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
