import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import {
  RateLimiterMemory,
  RateLimiterRedis,
  type RateLimiterRes,
  RLWrapperTimeouts,
} from 'rate-limiter-flexible';

/** Everybody waits for their count, so a Redis that is slow must not cost more than this. */
const REDIS_MILLISECONDS = 250;
/** The limit is compared here, because it differs from caller to caller. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** What was used of a window, and when it ends. */
export interface Used {
  readonly used: number;
  readonly milliseconds: number;
}

/**
 * Counts in windows of fixed length that begin with the first use. The counts are in Redis, where all processes see them;
 * while it does not answer, each process counts for itself.
 */
export class Counter {
  readonly windowSeconds: number;
  readonly #limiter: RLWrapperTimeouts;

  /** @param name - of the counter in Redis, below the installation's prefix */
  constructor(redis: Redis, prefix: string, name: string, windowSeconds: number) {
    this.windowSeconds = windowSeconds;
    const settings = { keyPrefix: `${prefix}:limits:${name}`, points: NO_LIMIT, duration: windowSeconds };
    const limiter = new RateLimiterRedis({ ...settings, storeClient: redis, rejectIfRedisNotReady: true });
    this.#limiter = new RLWrapperTimeouts({
      limiter,
      timeoutMs: REDIS_MILLISECONDS,
      insuranceLimiter: new RateLimiterMemory(settings),
    });
  }

  /** Adds to what somebody has used. */
  async use(whom: string, points: number): Promise<Used> {
    return usedOf(await this.#limiter.consume(keyOf(whom), points));
  }

  /** Takes back what was added and not used. */
  async giveBack(whom: string, points: number): Promise<void> {
    await this.#limiter.reward(keyOf(whom), points);
  }

  /** Forgets what somebody has used. */
  async forget(whom: string): Promise<void> {
    await this.#limiter.delete(keyOf(whom));
  }
}

/** Of one length, and nothing of what a client sent stands in a key. */
function keyOf(whom: string): string {
  return createHash('sha256').update(whom).digest('base64url');
}

function usedOf({ consumedPoints, msBeforeNext }: RateLimiterRes): Used {
  return { used: consumedPoints, milliseconds: Math.max(0, msBeforeNext) };
}
