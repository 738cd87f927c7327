import type { Response } from 'express';
import { TooManyRequestsError } from '../errors.ts';
import type { Used } from './counter.ts';

/** What may be used in a window. */
export interface Allowance {
  /** Such as `requests`. */
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
}

/**
 * Tells the client where it stands, in the syntax of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 * (structured fields; draft 10), and refuses it when it has used more than it may.
 *
 * @throws TooManyRequestsError
 */
export function requireAllowance(
  response: Response,
  allowance: Allowance,
  { used, milliseconds }: Used,
): void {
  const { name, limit, windowSeconds } = allowance;
  const seconds = Math.max(1, Math.ceil(milliseconds / 1_000));
  response.setHeader('RateLimit-Policy', `"${name}";q=${limit};w=${windowSeconds}`);
  response.setHeader('RateLimit', `"${name}";r=${Math.max(0, limit - used)};t=${seconds}`);
  if (used > limit) {
    throw new TooManyRequestsError(
      `Too many ${name}: ${limit} in ${windowSeconds} s are allowed; try again in ${seconds} s`,
      seconds,
    );
  }
}
