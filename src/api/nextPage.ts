import type { Request } from 'express';

/**
 * The address of the same question from this cursor on, for a `Link` header. A key that came as a parameter is left out:
 * headers are logged where addresses are not.
 */
export function nextPage(request: Request, cursor: string): string {
  const address = new URL(request.originalUrl, 'http://placeholder');
  address.searchParams.delete('api_key');
  address.searchParams.set('cursor', cursor);
  return `${address.pathname}${address.search}`;
}
