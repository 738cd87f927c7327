import { createHash, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { withRedis } from '../../runtime/outage.ts';
import type { LimitHint, LimitHints } from './imageProvider.ts';
import { CORRECT, GIVE_BACK, PAUSE, RESERVE, SETTLE } from './rateLaneScripts.ts';

/** What may be asked for in any 60 seconds. */
export interface LaneLimits {
  readonly requests: number;
  readonly tokens: number;
  readonly images: number;
}

export type Reservation =
  | { readonly kind: 'reserved'; readonly id: string }
  /** Nothing was reserved. It cannot succeed earlier. */
  | { readonly kind: 'wait'; readonly milliseconds: number }
  /** It is more than the limits ever allow. */
  | { readonly kind: 'never'; readonly reason: string };

/**
 * A minute, and a second more: a request reaches the server a little after its reservation, and not always equally late,
 * so that two which are a minute apart here may be less than that apart there.
 */
const WINDOW_MILLISECONDS = 61_000;
const FOREIGN = 'foreign';

type Script = 'reserve' | 'settle' | 'giveBack' | 'correct' | 'pause';
const SCRIPTS: Readonly<Record<Script, string>> = {
  reserve: RESERVE,
  settle: SETTLE,
  giveBack: GIVE_BACK,
  correct: CORRECT,
  pause: PAUSE,
};

/**
 * The limits of a provider's account and model, kept over the whole fleet: each request is reserved before it is sent, with
 * an upper bound of its tokens, all of it or nothing. What is never settled, because the process was killed, counts with
 * its bound until it leaves the window. Every method throws ServiceUnavailableError when Redis is away.
 *
 * Whoever comes first when something is free gets it: requests are about the same size, so none is overtaken for long.
 */
export class RateLane {
  readonly #redis: Redis;
  readonly #keys: readonly [string, string, string];
  readonly #limits: LaneLimits;
  readonly #clock: (() => number) | undefined;

  /**
   * @param prefix - of the installation
   * @param lane - what the limits are of, such as a model
   * @param clock - milliseconds in place of the time of Redis, for tests that cannot wait for minutes
   */
  constructor(redis: Redis, prefix: string, lane: string, limits: LaneLimits, clock?: () => number) {
    this.#redis = redis;
    const key = `{${prefix}:icons}:lane:${createHash('sha256').update(lane).digest('hex').slice(0, 16)}`;
    this.#keys = [`${key}:entries`, `${key}:amounts`, `${key}:pause`];
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @param tokens - an upper bound of what the request will use */
  async reserve({ tokens }: { readonly tokens: number }): Promise<Reservation> {
    const { requests, images } = this.#limits;
    if (tokens > this.#limits.tokens) {
      return {
        kind: 'never',
        reason: `One image may take ${tokens} tokens, and ${this.#limits.tokens} are allowed in a minute (OPENAI_RATE_LIMIT_TPM)`,
      };
    }
    const id = randomUUID();
    const wait = await this.#run(
      'reserve',
      WINDOW_MILLISECONDS,
      requests,
      this.#limits.tokens,
      images,
      id,
      Math.ceil(tokens),
    );
    return wait === 0 ? { kind: 'reserved', id } : { kind: 'wait', milliseconds: wait };
  }

  /** Books what a request has really used; `null`, which is not known, keeps the bound. */
  async settle(id: string, tokens: number | null): Promise<void> {
    if (tokens !== null) await this.#run('settle', id, Math.ceil(tokens));
  }

  /** Takes back the reservation of a request that was never sent. */
  async giveBack(id: string): Promise<void> {
    await this.#run('giveBack', id);
  }

  /** Takes the server's own count into account: what it has counted more than is known here was used by others. */
  async correct({ requests, tokens }: LimitHints): Promise<void> {
    if (!requests && !tokens) return;
    await this.#run(
      'correct',
      WINDOW_MILLISECONDS,
      FOREIGN,
      usedOf(requests, this.#limits.requests),
      requests?.resetMilliseconds ?? 0,
      usedOf(tokens, this.#limits.tokens),
      tokens?.resetMilliseconds ?? 0,
    );
  }

  /** Nothing is reserved for that long. A shorter pause does not end a longer one. */
  async pause(milliseconds: number): Promise<void> {
    await this.#run('pause', Math.ceil(milliseconds));
  }

  async #run(script: Script, ...values: readonly (string | number)[]): Promise<number> {
    const now = this.#clock ? String(Math.floor(this.#clock())) : '';
    const answer = await withRedis(() =>
      this.#redis.eval(SCRIPTS[script], this.#keys.length, ...this.#keys, now, ...values.map(String)),
    );
    return Number(answer);
  }
}

/** Of our limit: when the server allows less, what is missing counts as used, so that its lower limit holds here. */
function usedOf(hint: LimitHint | undefined, limit: number): number {
  return hint ? Math.max(0, Math.min(limit, limit - hint.remaining)) : 0;
}
