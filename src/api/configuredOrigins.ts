import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';

/** What a browser's page may send and read where it may call at all. */
export const CORS_HEADERS = {
  allowedHeaders: [
    'Content-Type',
    'X-API-Key',
    'Authorization',
    'Idempotency-Key',
    'Last-Event-ID',
    'X-Request-Id',
  ],
  exposedHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'Idempotency-Replayed'],
};

/** Lets the page read the answer when its origin is one of the configured ones. Caches keep answers apart by origin. */
export function allowConfiguredOrigin(
  request: Request,
  response: Response,
  origins: readonly string[],
): void {
  response.setHeader('Vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined || !origins.includes(origin)) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', CORS_HEADERS.exposedHeaders.join(', '));
}

/**
 * Whether a page of another origin sends it, that is none of the configured ones: where no preflight and no credential stands
 * in between, any page could. A script sends no Origin. Who is asked is told by `Host`, as there may be a proxy that ends TLS.
 */
export function isFromForeignPage({ headers }: IncomingMessage, origins: readonly string[]): boolean {
  const { origin, host } = headers;
  return origin !== undefined && !origins.includes(origin) && URL.parse(origin)?.host !== host;
}
