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
