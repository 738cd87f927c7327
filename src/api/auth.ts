import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Caller } from '../domain/accounts/caller.ts';
import { UnauthorizedError } from './errors.ts';
import type { Route } from './route.ts';

const CHALLENGE = 'Bearer realm="millrace"';
const BEARER = /^Bearer +(\S+)$/i;

/**
 * Finds out who calls and whether the route's scope is theirs. Throws the refusal of the route's family.
 * At once where the credential is of the environment; a promise where a store has to be asked.
 */
export type AccessCheck = (request: Request, route: Route) => Caller | Promise<Caller>;

/**
 * Makes the check of the operator's key, sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
 *
 * @param adminApiKey - without one nobody passes
 */
export function createAccessCheck(adminApiKey: string | undefined): AccessCheck {
  const expected = adminApiKey === undefined ? undefined : digest(adminApiKey);
  return (request) => {
    const presented = presentedKey(request);
    if (presented !== undefined && expected !== undefined && timingSafeEqual(digest(presented), expected))
      return { kind: 'operator' };
    request.context.logger.warn(
      { ip: request.context.ip, presented: presented !== undefined, configured: expected !== undefined },
      'Operator access refused',
    );
    throw new UnauthorizedError(
      "This needs the operator's key: Authorization: Bearer <key>, or X-API-Key: <key>",
      CHALLENGE,
    );
  };
}

/** Compares two secrets in a time that tells nothing about them. */
export function sameSecret(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function presentedKey(request: Request): string | undefined {
  const authorization = request.headers.authorization;
  if (authorization !== undefined) return BEARER.exec(authorization)?.[1];
  const apiKey = request.headers['x-api-key'];
  return typeof apiKey === 'string' && apiKey !== '' ? apiKey : undefined;
}

/** Equal lengths, which a comparison in constant time needs. */
function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
