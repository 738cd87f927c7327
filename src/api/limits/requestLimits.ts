import type { Request, Response } from 'express';
import type { Redis } from 'ioredis';
import type { Environment } from '../../../config/env.ts';
import { type Caller, callerId } from '../../domain/accounts/caller.ts';
import type { ErrorFamily, Route } from '../route.ts';
import { clientAddress } from './clientAddress.ts';
import { Counter } from './counter.ts';
import { requireAllowance } from './rateLimitHeaders.ts';

const WINDOW_SECONDS = 60;
/** The family of everything that is no published contract's. */
const NEW_ENDPOINTS: ErrorFamily = 'problem';

/** Counts a request; nothing when no limit applies to it, a promise when it has to be counted. */
export type RequestLimit = (request: Request, response: Response) => Promise<void> | undefined;

/**
 * Limits the requests of one caller, or of one address on open endpoints, to so many a minute: all new endpoints share
 * one count and the endpoints of published contracts another. An API key that has a limit of its own has only that one,
 * everywhere.
 */
export class RequestLimits {
  readonly #environment: Environment;
  readonly #newEndpoints: Counter;
  readonly #contracts: Counter;
  readonly #ownLimits: Counter;

  constructor(redis: Redis, environment: Environment) {
    const prefix = environment.REDIS_PREFIX;
    this.#environment = environment;
    this.#newEndpoints = new Counter(redis, prefix, 'requests', WINDOW_SECONDS);
    this.#contracts = new Counter(redis, prefix, 'contract-requests', WINDOW_SECONDS);
    this.#ownLimits = new Counter(redis, prefix, 'api-key', WINDOW_SECONDS);
  }

  /** The limit of a route, or nothing when none can ever apply to it. */
  ofRoute(route: Route): RequestLimit | undefined {
    if (route.limit !== undefined) return undefined;
    const isNew = route.errors === NEW_ENDPOINTS;
    const counter = isNew ? this.#newEndpoints : this.#contracts;
    const limit = isNew
      ? this.#environment.RATE_LIMIT_PER_MINUTE
      : this.#environment.RATE_LIMIT_CONTRACT_PER_MINUTE;
    if (route.access === 'open' && limit === undefined) return undefined;
    return (request, response) => {
      const { caller, ip } = request.context;
      const own = caller && ownLimit(caller);
      if (caller && own !== undefined) return count(response, this.#ownLimits, callerId(caller), own);
      if (limit === undefined) return undefined;
      return count(response, counter, caller ? callerId(caller) : `address:${clientAddress(ip)}`, limit);
    };
  }
}

function ownLimit(caller: Caller): number | undefined {
  return caller.kind === 'api-key' ? (caller.rate_limit_per_minute ?? undefined) : undefined;
}

async function count(response: Response, counter: Counter, whom: string, limit: number): Promise<void> {
  const used = await counter.use(whom, 1);
  requireAllowance(response, { name: 'requests', limit, windowSeconds: counter.windowSeconds }, used);
}
