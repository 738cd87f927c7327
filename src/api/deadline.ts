import { ServiceUnavailableError } from '../runtime/outage.ts';

/**
 * When a request that waits for the stores is answered at the latest. A client is promised an answer within two
 * seconds, whatever is away; the rest is for a machine that is busy.
 */
export const ANSWER_MILLISECONDS = 1_400;

/** When nothing is queued any more for such a request, so that its job is in Redis before the client is told to come back. */
export const QUEUE_MILLISECONDS = 700;

/**
 * Waits for an answer, but not longer than a client should. The work itself goes on and its outcome is dropped.
 *
 * @param what - who has to answer, for the message
 * @throws ServiceUnavailableError when the time is over
 */
export async function withinDeadline<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new ServiceUnavailableError(`${what} did not answer within ${milliseconds} ms`, 2));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}
