import type { User } from './user.ts';

/** `roles` of a seller. */
export const SELLER_ROLE = 3;
export const ACTIVE_STATUS = 1;
export const DISABLED_STATUS = 0;

/** True for an active seller. */
export function mayReportUsage(user: User): boolean {
  return user.roles === SELLER_ROLE && user.status === ACTIVE_STATUS;
}
