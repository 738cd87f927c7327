import type { Request } from 'express';
import { callerId } from '../../../domain/accounts/caller.ts';
import { mayReach } from '../../../domain/icons/reach.ts';
import type { IconCaller } from '../../../producers/icons/iconRequests.ts';

/** Who everybody is in open mode (the icons contract, Auth). */
export const OPEN_MODE_OWNER = 'dev-user';

/** On whose behalf a request asks for icons. Its route is either behind the scope `icons` or open in open mode. */
export function iconCallerOf({ context: { caller, requestId } }: Request): IconCaller {
  return {
    owner: caller ? callerId(caller) : OPEN_MODE_OWNER,
    credits_user_id: caller?.kind === 'account' ? caller.credits_user_id : undefined,
    request_ids: [requestId],
    sees_all: caller?.kind === 'operator',
  };
}

/** What is somebody else's is answered as if it did not exist. */
export function mayRead(request: Request, { owner }: { readonly owner: string }): boolean {
  return mayReach(iconCallerOf(request), { owner });
}
