import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** A client that takes nothing for so long is given up. */
const STALLED_MILLISECONDS = 30_000;

/**
 * Sends what comes, no faster than the client takes it. The source is closed in any case, also when the client goes away;
 * that is no error. When the source fails half way the connection is cut, so that nobody takes a part for the whole.
 */
export async function sendStream(
  source: Readable | AsyncIterable<Uint8Array>,
  response: Response,
): Promise<void> {
  response.setTimeout(STALLED_MILLISECONDS, () => response.destroy());
  try {
    await pipeline(source, response);
  } catch (error) {
    if (!isClientGone(error)) throw error;
  }
}

function isClientGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
