import type { IconImage } from '../../domain/icons/icon.ts';
import { keepAlive } from '../../models/iconGenerations.ts';
import { LockLostError } from '../activeRuns.ts';
import type { Run } from '../handlers.ts';
import type { IconWork } from './iconWork.ts';

/** Several times within the time for which a sign of life holds. */
const SIGN_OF_LIFE_MILLISECONDS = 3_000;

/** Keeps reruns of the image away while its call is under way, whatever becomes of the job's lock. */
export async function keepingAlive<T>(
  { connection }: Pick<IconWork, 'connection'>,
  { content_key, image_id }: IconImage,
  work: () => Promise<T>,
): Promise<T> {
  // One that fails is made up for by the next.
  const sign = () => void keepAlive(connection, content_key, image_id).catch(() => undefined);
  const timer = setInterval(sign, SIGN_OF_LIFE_MILLISECONDS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/**
 * The run, with a signal that does not abort when the job's lock is lost: the connection to Redis was away, and a paid call
 * that is ended for that is paid twice. Its lease in MongoDB keeps the next run from calling beside it.
 */
export function survivingLostLock(run: Run): Run {
  const controller = new AbortController();
  const abort = () => {
    if (!(run.signal.reason instanceof LockLostError)) controller.abort(run.signal.reason);
  };
  if (run.signal.aborted) abort();
  else run.signal.addEventListener('abort', abort, { once: true });
  return { ...run, signal: controller.signal };
}
