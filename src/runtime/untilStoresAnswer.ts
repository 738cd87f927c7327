import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { usable } from './mongo.ts';

const RETRY_MILLISECONDS = 250;

/**
 * Resolves once Redis and MongoDB both answer. Rejects with the signal's reason as soon as it aborts, also while a store
 * keeps silent.
 */
export async function untilStoresAnswer(
  redis: Redis,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  while (!(await unlessAborted(signal, () => answer(redis, connection)))) {
    await unlessAborted(signal, () => wait(RETRY_MILLISECONDS));
  }
}

/** A promise of its own each time: one that outlives the round keeps what every round of a long outage has hung on it. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work(), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function answer(redis: Redis, connection: Connection): Promise<boolean> {
  try {
    await redis.ping();
    await usable(connection).db?.command({ ping: 1 });
    return true;
  } catch {
    return false;
  }
}
