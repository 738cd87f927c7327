import type { Request, Response } from 'express';

/** What a browser's page may send and read where it may call at all. */
export const CORS_HEADERS = {
  allowedHeaders: ['Content-Type', 'X-API-Key', 'Authorization', 'Idempotency-Key', 'X-Request-Id'],
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
