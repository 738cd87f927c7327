import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { replyCode } from './outage.ts';

/**
 * `producer`: a request stands behind every command, so a Redis that is away is an error at once and never a queue in
 * memory. `worker`: nobody waits, so commands wait for the connection to come back (BullMQ requires it).
 */
export type RedisRole = 'producer' | 'worker';

/** Longest wait of a producer for an answer of Redis, so that an HTTP answer is possible within two seconds. */
const PRODUCER_TIMEOUT_MILLISECONDS = 700;
const CONNECT_TIMEOUT_MILLISECONDS = 5_000;
const LONGEST_RECONNECT_DELAY_MILLISECONDS = 1_000;
/** A replica that stays one refuses each write of a producer, and whatever else is under way is lost with the connection. */
const REDIAL_MILLISECONDS = 2_000;

/**
 * Opens a connection that reconnects by itself for ever. It is returned before it is ready.
 *
 * Autopipelining stays off: it makes concurrent `queue.add` slower.
 */
export function connectRedis(url: string, role: RedisRole, logger: Logger): Redis {
  const redis = new Redis(url, {
    connectTimeout: CONNECT_TIMEOUT_MILLISECONDS,
    retryStrategy: (attempt) => Math.min(attempt * 50, LONGEST_RECONNECT_DELAY_MILLISECONDS),
    // Another server may have taken its place behind the same address. A worker rests between two writes that are refused.
    reconnectOnError: role === 'producer' ? atMostOnceIn(REDIAL_MILLISECONDS, isDemoted) : isDemoted,
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

/** Whether the server became a replica. */
function isDemoted(error: Error): boolean {
  return replyCode(error) === 'READONLY';
}

/** The same test, which holds at most once in that time. */
function atMostOnceIn(milliseconds: number, test: (error: Error) => boolean): (error: Error) => boolean {
  let heldAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (now - heldAt < milliseconds || !test(error)) return false;
    heldAt = now;
    return true;
  };
}
