import { createHash } from 'node:crypto';
import { type Redis, ReplyError } from 'ioredis';
import { replyCode } from './outage.ts';

type RedisArgument = string | Buffer | number;

/** A Lua script that goes over the wire as its hash. Redis is told it in full only when it does not know it. */
export class RedisScript {
  readonly #lua: string;
  readonly #hash: string;

  constructor(lua: string) {
    this.#lua = lua;
    this.#hash = createHash('sha1').update(lua).digest('hex');
  }

  /** @throws what ioredis or Redis refuses it with */
  async run(redis: Redis, keys: readonly RedisArgument[], args: readonly RedisArgument[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#hash, keys.length, ...keys, ...args);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return redis.eval(this.#lua, keys.length, ...keys, ...args);
    }
  }
}

/** Redis forgets its scripts when it restarts, and on `SCRIPT FLUSH`. */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error instanceof ReplyError && replyCode(error) === 'NOSCRIPT';
}

/**
 * Redis may forget its scripts (`SCRIPT FLUSH`). ioredis sends a forgotten one anew, but not in a transaction, where it takes
 * the command's `QUEUED` for success. On a new connection it sends each anew.
 *
 * @param transaction - of scripts, on `redis`; fails the first time after that
 */
export async function sendingForgottenScripts<T>(redis: Redis, transaction: () => Promise<T>): Promise<T> {
  try {
    return await transaction();
  } catch (error) {
    if (isUnknownScript(error)) redis.disconnect(true);
    throw error;
  }
}
