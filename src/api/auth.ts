import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { UnauthorizedError } from './errors.ts';

const CHALLENGE = 'Bearer realm="millrace"';
const BEARER = /^Bearer +(\S+)$/i;

/** Lets a request pass or throws UnauthorizedError. */
export type OperatorCheck = (request: Request) => void;

/**
 * Makes the check of the operator's key, sent as `Authorization: Bearer <key>` or `X-API-Key: <key>`.
 *
 * @param adminApiKey - without one nobody passes
 */
export function createOperatorCheck(adminApiKey: string | undefined): OperatorCheck {
  const expected = adminApiKey === undefined ? undefined : digest(adminApiKey);
  return (request) => {
    const presented = presentedKey(request);
    if (presented !== undefined && expected !== undefined && timingSafeEqual(digest(presented), expected))
      return;
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
