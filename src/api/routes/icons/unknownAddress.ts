import { NotFoundError } from '../../errors.ts';
import type { HttpMethod, Route } from '../../route.ts';

const METHODS: readonly HttpMethod[] = ['get', 'post', 'put', 'patch', 'delete'];

/** Every other path below `/api/icons` is answered in the contract's words. They come behind all routes that are there. */
export function unknownAddressRoutes(): readonly Route[] {
  return METHODS.map((method) => ({
    method,
    path: '/api/icons{/*path}',
    access: 'open',
    errors: 'icons',
    cors: 'configured',
    handle() {
      throw new NotFoundError('Resource not found');
    },
  }));
}
