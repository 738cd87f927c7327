import type { Booking } from '../booking.ts';
import { endHold, leftOf } from '../holds.ts';

/** Of credits that no app moves. */
export const SYSTEM_APP = 'system';

/** Books what has come to its end: holds that were neither captured nor released, and grants. */
export function settle(booking: Booking, userId: string): void {
  // In this order: what a balance was at a time before is read from the lapses that come first.
  lapseGrants(booking, userId);
  const overdue = booking.overdueHolds(userId);
  for (const hold of overdue) {
    returnHeld(booking, hold.hold_id, 'Hold expired');
    booking.setHold(endHold(hold, 'expired'));
  }
  if (overdue.length > 0) lapseGrants(booking, userId);
}

/** What has lapsed is gone, also when it comes back from a hold or by a refund only later. */
export function lapseGrants(booking: Booking, userId: string): void {
  const account = booking.accountOf(userId);
  const lapsed = account.grants.filter((grant) => grant.expires_at <= booking.now);
  if (lapsed.length === 0) return;
  booking.setAccount({ ...account, grants: account.grants.slice(lapsed.length) });
  for (const { movement_id, expires_at, remaining } of lapsed) {
    if (remaining === 0) continue;
    booking.book({
      kind: 'expiry',
      transfer: [`user:${userId}`, 'expired', remaining],
      transaction_type: 'expired',
      app_name: SYSTEM_APP,
      description: 'Credits expired',
      project_code: null,
      expires_at,
      granted: [{ movement_id, expires_at, amount: remaining }],
    });
  }
}

/** Books back what is left of an open hold. The hold itself stays as it is. */
export function returnHeld(booking: Booking, holdId: string, description: string): void {
  const hold = booking.hold(holdId);
  const left = hold ? leftOf(hold) : 0;
  if (!hold || left === 0) return;
  booking.book({
    kind: 'release',
    transfer: [`held:${hold.user_id}`, `user:${hold.user_id}`, left],
    transaction_type: 'release',
    app_name: hold.app_name,
    description,
    project_code: null,
    hold_id: hold.hold_id,
    granted: hold.granted,
  });
  booking.addGranted(hold.user_id, hold.granted);
}
