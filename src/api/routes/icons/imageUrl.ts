import type { Environment } from '../../../../config/env.ts';

/** Where a stored icon is served: below the public address when one is configured, else on whatever server is asked. */
export function imageUrl({ PUBLIC_BASE_URL }: Pick<Environment, 'PUBLIC_BASE_URL'>, path: string): string {
  return `${PUBLIC_BASE_URL ?? ''}/api/images/${path}`;
}
