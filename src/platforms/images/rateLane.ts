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
  /** Nothing was reserved. Something may become free after that time, or earlier when another request is settled. */
  | { readonly kind: 'wait'; readonly milliseconds: number }
  /** It is more than the limits ever allow. */
  | { readonly kind: 'never'; readonly reason: string };

/**
 * A minute, and a second more: a request reaches the server a little after its reservation, and not always equally late,
 * so that two which are a minute apart here may be less than that apart there.
 */
const WINDOW_MILLISECONDS = 61_000;
/**
 * So much of the window may be asked for at once after a rest; from then on requests are spread evenly. A limit of 50 a minute
 * lets 5 go at once, as many as a batch runs at a time. Servers count shorter periods too, and refuse a whole minute's
 * requests in one second (https://platform.openai.com/docs/guides/rate-limits).
 */
const BURST_MILLISECONDS = WINDOW_MILLISECONDS / 12;
/** Requests are reserved with an upper bound, so that something may become free at any time; and a rest may be ended. */
export const LONGEST_WAIT_MILLISECONDS = 3_000;
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
  /** What the limits are of. */
  readonly name: string;
  readonly #redis: Redis;
  readonly #keys: readonly string[];
  readonly #pauseKey: string;
  readonly #limits: LaneLimits;
  readonly #clock: (() => number) | undefined;

  /**
   * @param prefix - of the installation
   * @param lane - what the limits are of, such as a model
   * @param clock - milliseconds in place of the time of Redis, for tests that cannot wait for minutes
   */
  constructor(redis: Redis, prefix: string, lane: string, limits: LaneLimits, clock?: () => number) {
    this.name = lane;
    this.#redis = redis;
    const key = keyOf(prefix, lane);
    this.#pauseKey = pauseKeyOf(prefix, lane);
    this.#keys = [`${key}:entries`, `${key}:amounts`, this.#pauseKey, `${key}:pace`];
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @param tokens - an upper bound of what the request will use */
  async reserve({ tokens }: { readonly tokens: number }): Promise<Reservation> {
    if (tokens > this.#limits.tokens) {
      return {
        kind: 'never',
        reason: `One image may take ${tokens} tokens, and ${this.#limits.tokens} are allowed in a minute (OPENAI_RATE_LIMIT_TPM)`,
      };
    }
    const id = randomUUID();
    const wait = await this.#run('reserve', id, Math.ceil(tokens), BURST_MILLISECONDS);
    if (wait === 0) return { kind: 'reserved', id };
    return { kind: 'wait', milliseconds: Math.min(wait, LONGEST_WAIT_MILLISECONDS) };
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
      FOREIGN,
      usedOf(requests, this.#limits.requests),
      requests?.resetMilliseconds ?? 0,
      usedOf(tokens, this.#limits.tokens),
      tokens?.resetMilliseconds ?? 0,
    );
  }

  /**
   * Nothing is reserved for that long. A shorter pause does not end a longer one.
   *
   * @returns `new` when a rest begins by it, or lasts more than twice as long as it would have: calls that were under way
   *   together are refused together
   */
  async pause(milliseconds: number): Promise<'new' | 'known'> {
    return (await this.#run('pause', Math.ceil(milliseconds))) === 1 ? 'new' : 'known';
  }

  /** Whether nothing is reserved at the moment because of a pause. */
  async isResting(): Promise<boolean> {
    return (await withRedis(() => this.#redis.exists(this.#pauseKey))) === 1;
  }

  async #run(script: Script, ...values: readonly (string | number)[]): Promise<number> {
    const { requests, tokens, images } = this.#limits;
    const now = this.#clock ? String(Math.floor(this.#clock())) : '';
    const answer = await withRedis(() =>
      this.#redis.eval(
        SCRIPTS[script],
        this.#keys.length,
        ...this.#keys,
        now,
        WINDOW_MILLISECONDS,
        requests,
        tokens,
        images,
        ...values,
      ),
    );
    return Number(answer);
  }
}

/** Where the pause of a lane stands in Redis, for those who only look at it. */
export function pauseKeyOf(prefix: string, lane: string): string {
  return `${keyOf(prefix, lane)}:pause`;
}

function keyOf(prefix: string, lane: string): string {
  return `{${prefix}:icons}:lane:${createHash('sha256').update(lane).digest('hex').slice(0, 16)}`;
}

/** Of our limit: when the server allows less, what is missing counts as used, so that its lower limit holds here. */
function usedOf(hint: LimitHint | undefined, limit: number): number {
  return hint ? Math.max(0, Math.min(limit, limit - hint.remaining)) : 0;
}
