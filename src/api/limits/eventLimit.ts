import type { Request, Response } from 'express';
import type { Redis } from 'ioredis';
import type { Environment } from '../../../config/env.ts';
import { callerId } from '../../domain/accounts/caller.ts';
import { TooManyRequestsError } from '../errors.ts';
import { Counter } from './counter.ts';
import { requireAllowance } from './rateLimitHeaders.ts';

const WINDOW_SECONDS = 60;

/** Limits the events that one caller sends in batches to so many a minute. */
export class EventLimit {
  readonly #limit: number;
  readonly #events: Counter;
  readonly #ownLimits: Counter;

  constructor(redis: Redis, { REDIS_PREFIX: prefix, RATE_LIMIT_EVENTS_PER_MINUTE: limit }: Environment) {
    this.#limit = limit;
    this.#events = new Counter(redis, prefix, 'events', WINDOW_SECONDS);
    this.#ownLimits = new Counter(redis, prefix, 'api-key', WINDOW_SECONDS);
  }

  /**
   * Counts the events of a batch, before any of them is taken; a batch counts as one at least. One that is refused is
   * not counted, so that a smaller one may still fit.
   *
   * @throws TooManyRequestsError when they are more than the caller has left
   */
  async charge(request: Request, response: Response, events: number): Promise<void> {
    const { caller } = request.context;
    if (!caller) throw new Error('A batch needs a caller');
    const own = caller.kind === 'api-key' ? caller.rate_limit_per_minute : null;
    const [counter, limit] = own === null ? [this.#events, this.#limit] : [this.#ownLimits, own];
    const whom = callerId(caller);
    const points = Math.max(1, events);
    const used = await counter.use(whom, points);
    try {
      requireAllowance(response, { name: 'events', limit, windowSeconds: WINDOW_SECONDS }, used);
    } catch (error) {
      if (error instanceof TooManyRequestsError) await counter.giveBack(whom, points);
      throw error;
    }
  }
}
