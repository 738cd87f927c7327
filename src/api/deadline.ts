import { ServiceUnavailableError } from '../runtime/outage.ts';

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
