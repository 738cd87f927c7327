import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** A wire to Redis that breaks in the middle of an answer. */
export interface RedisLink {
  readonly url: string;
  /** Lets so many bytes of answers through from now on, then ends the connection that they came over; once. */
  breakAfter(bytes: number): void;
  close(): Promise<void>;
}

/** @param redisUrl - as the tests reach it */
export async function openRedisLink(redisUrl: string): Promise<RedisLink> {
  const target = new URL(redisUrl);
  const open = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;

  const server = createServer((client) => {
    const redis = dial(Number(target.port), target.hostname);
    for (const [socket, peer] of [
      [client, redis],
      [redis, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        peer.destroy();
      });
    }
    client.on('data', (bytes) => redis.write(bytes));
    redis.on('data', (bytes) => {
      if (client.writableEnded) return;
      const passed = bytes.subarray(0, left);
      left -= passed.length;
      if (left > 0) {
        client.write(passed);
        return;
      }
      left = Number.POSITIVE_INFINITY;
      client.end(passed);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The link has no port');

  return {
    url: `redis://127.0.0.1:${address.port}`,
    breakAfter(bytes) {
      left = bytes;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
