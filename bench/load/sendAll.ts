import { FailedRequestsError } from './closedLoop.ts';
import { HttpConnection } from './httpConnection.ts';

/**
 * Sends each request once over a few connections, the next one on each when the last is answered.
 *
 * @returns seconds from the first request to the last answer
 * @throws FailedRequestsError when one is not answered with 200
 */
export async function sendAll(
  url: string,
  connections: number,
  requests: readonly Buffer[],
): Promise<number> {
  const opened = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(url)));
  const left = requests.values();
  const startedAt = performance.now();
  try {
    await Promise.all(
      opened.map(async (connection) => {
        for (const request of left) {
          const status = await connection.send(request);
          if (status !== 200) throw new FailedRequestsError(`${url} answered ${status}`);
        }
      }),
    );
    return (performance.now() - startedAt) / 1_000;
  } finally {
    for (const connection of opened) connection.close();
  }
}
