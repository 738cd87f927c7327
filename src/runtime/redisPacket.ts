import type { Redis } from 'ioredis';

/**
 * Sends what is sent to Redis meanwhile in one packet. Takes the place of ioredis's pipelines where there are many of
 * them: a pipeline has a property that is defined for it alone, so that the engine keeps it, and all that its commands
 * carry, until the next full garbage collection; and every script of the connection is copied onto it, sixty of BullMQ's.
 *
 * @param send - calls commands of `redis` before it returns
 */
export function inOnePacket<T>(redis: Redis, send: () => T): T {
  // There is none while Redis is away; then there is nothing to hold back either.
  const stream: Redis['stream'] | undefined = redis.stream;
  stream?.cork();
  try {
    return send();
  } finally {
    stream?.uncork();
  }
}
