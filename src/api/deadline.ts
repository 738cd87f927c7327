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
export function withinDeadline<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new ServiceUnavailableError(`${what} did not answer within ${milliseconds} ms`, 2));
    }, milliseconds);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
