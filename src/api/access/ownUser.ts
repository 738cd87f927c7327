import type { Request } from 'express';
import type { Caller } from '../../domain/accounts/caller.ts';
import type { Route } from '../route.ts';
import type { NeededAccess } from './refusals.ts';

/** Their endpoints take the user whose credits or projects it is about from the request: they were made for apps. */
const ABOUT_USERS: ReadonlySet<NeededAccess> = new Set([
  'credits:read',
  'credits:write',
  'workspace:read',
  'workspace:write',
]);

/**
 * Whether an account asks for credits or projects that may be somebody else's. An account that is no admin's has to name
 * its own user in the query, on a route that is about that user only.
 */
export function asksForOthers(caller: Caller, needed: NeededAccess, request: Request, route: Route): boolean {
  if (caller.kind !== 'account' || caller.any_user || !ABOUT_USERS.has(needed)) return false;
  if (route.aboutUser !== 'query') return true;
  const named: unknown = request.query['user_id'];
  return caller.credits_user_id === undefined || named !== caller.credits_user_id;
}
