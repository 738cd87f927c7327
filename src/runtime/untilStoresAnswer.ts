import { setTimeout as wait } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Connection } from 'mongoose';
import { usable } from './mongo.ts';

const RETRY_MILLISECONDS = 250;

/** Resolves once Redis and MongoDB both answer. Rejects with the signal's reason when it aborts before. */
export async function untilStoresAnswer(
  redis: Redis,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  while (!(await answers(redis, connection))) await wait(RETRY_MILLISECONDS, undefined, { signal });
}

async function answers(redis: Redis, connection: Connection): Promise<boolean> {
  try {
    await redis.ping();
    await usable(connection).db?.command({ ping: 1 });
    return true;
  } catch {
    return false;
  }
}
