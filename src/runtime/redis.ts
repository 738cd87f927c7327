import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Logger } from './logger.ts';

/**
 * `producer`: a request stands behind every command, so a Redis that is away is an error at once and never a queue in
 * memory. `worker`: nobody waits, so commands wait for the connection to come back (BullMQ requires it).
 */
export type RedisRole = 'producer' | 'worker';

/** Longest wait of a producer for an answer of Redis, so that an HTTP answer is possible within two seconds. */
const PRODUCER_TIMEOUT_MILLISECONDS = 700;
const CONNECT_TIMEOUT_MILLISECONDS = 5_000;
const LONGEST_RECONNECT_DELAY_MILLISECONDS = 1_000;
const VERSION_RETRY_MILLISECONDS = 100;

/**
 * Opens a connection that reconnects by itself for ever. It is returned before it is ready.
 *
 * Autopipelining stays off: it makes concurrent `queue.add` slower.
 */
export function connectRedis(url: string, role: RedisRole, logger: Logger): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MILLISECONDS,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_DELAY_MILLISECONDS),
    ...(role === 'producer'
      ? {
          enableOfflineQueue: false,
          maxRetriesPerRequest: 0,
          autoResendUnfulfilledCommands: false,
          commandTimeout: PRODUCER_TIMEOUT_MILLISECONDS,
        }
      : { maxRetriesPerRequest: null }),
  });
  if (role === 'producer') answerVersionInTheEnd(redis);
  let away = false;
  redis.on('error', (error) => {
    if (!away) logger.warn({ err: error }, 'Redis is away, reconnecting');
    away = true;
  });
  redis.on('ready', () => {
    if (away) logger.info('Redis is back');
    away = false;
  });
  return redis;
}

/**
 * Each queue asks once, right after the connection, for the version of Redis (`INFO`), and one that was not answered fails for
 * as long as the process lives. A producer's commands fail fast, but this one has to be answered in the end.
 */
function answerVersionInTheEnd(redis: Redis): void {
  const ask = redis.info.bind(redis);
  const askUntilAnswered = async (): Promise<string> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (redis.status === 'end') throw error;
        await wait(VERSION_RETRY_MILLISECONDS);
      }
    }
  };
  Object.assign(redis, {
    // With an argument it is ioredis, which looks by it whether Redis is ready.
    info: (...question: Parameters<typeof ask>) =>
      question.length === 0 ? askUntilAnswered() : ask(...question),
  });
}
