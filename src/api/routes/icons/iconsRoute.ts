import type { Environment } from '../../../../config/env.ts';
import type { Route } from '../../route.ts';

/** What all routes of the contract have in common. In open mode they need no credential. */
export function contractRoute({ ICONS_OPEN_MODE }: Pick<Environment, 'ICONS_OPEN_MODE'>) {
  return {
    access: ICONS_OPEN_MODE ? 'open' : 'icons',
    errors: 'icons',
    cors: 'configured',
  } as const satisfies Partial<Route>;
}

/** The same for what stands beside the contract. */
export function newRoute({ ICONS_OPEN_MODE }: Pick<Environment, 'ICONS_OPEN_MODE'>) {
  return {
    access: ICONS_OPEN_MODE ? 'open' : 'icons',
    errors: 'problem',
    cors: 'configured',
  } as const satisfies Partial<Route>;
}
