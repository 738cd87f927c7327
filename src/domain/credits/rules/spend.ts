import type { Booking } from '../booking.ts';
import { areTooMany } from '../grants.ts';
import type { LedgerCommand, LedgerRefusal } from '../ledger.ts';
import { MOST_CREDITS, MOST_KEPT_GRANTS } from '../limits.ts';
import { done, type Refused, type RuleOutcome, refused } from './outcome.ts';
import { lapseGrants } from './settle.ts';

type Command<Kind> = Extract<LedgerCommand, { kind: Kind }>;

export function deduct(booking: Booking, command: Command<'deduct'>): RuleOutcome {
  const { user_id, amount, app_name } = command;
  const account = booking.account(user_id);
  if (!account) return refused('unknown-user');
  if (account.available < amount) return refused('insufficient-credits');
  const granted = booking.takeGranted(user_id, amount);
  booking.book({
    kind: 'deduction',
    transfer: [`user:${user_id}`, `app:${app_name}`, amount],
    transaction_type: 'used',
    app_name,
    description: command.description,
    project_code: command.project_code,
    granted,
  });
  return done([user_id]);
}

export function add(booking: Booking, command: Command<'add'>): RuleOutcome {
  const { user_id, amount, expires_at } = command;
  const account = booking.account(user_id);
  if (!account) return refused('unknown-user');
  if (expires_at !== undefined && expires_at <= booking.now) return refused('already-expired');
  if (account.available + account.held + amount > MOST_CREDITS) return refused('balance-too-large');
  const { movement_id } = booking.book({
    kind: 'addition',
    transfer: ['issuance', `user:${user_id}`, amount],
    transaction_type: command.transaction_type,
    app_name: command.app_name,
    description: command.description,
    project_code: null,
    expires_at,
  });
  if (expires_at === undefined) return done([user_id]);
  booking.addGranted(user_id, [{ movement_id, expires_at, amount }]);
  return areTooMany(booking.accountOf(user_id).grants) ? refused('too-many-grants') : done([user_id]);
}

/** Takes back a deduction or a capture, whole. Credits of a grant return to it, and are gone when it has lapsed. */
export function refund(booking: Booking, command: Command<'refund'>): RuleOutcome {
  const original = booking.movement(command.movement_id);
  if (!original) return refused('unknown-movement');
  if (original.kind !== 'deduction' && original.kind !== 'capture') return refused('not-refundable');
  const refunded_by = booking.refundOf(original.movement_id);
  if (refunded_by !== undefined) return { kind: 'refused', reason: 'already-refunded', refunded_by };
  const earned = original.entries.find((entry) => entry.account.startsWith('app:'));
  const user_id = original.balances[0]?.user_id;
  if (!earned || user_id === undefined) return refused('not-refundable');
  const account = booking.accountOf(user_id);
  if (account.available + account.held + earned.amount > MOST_CREDITS) return refused('balance-too-large');
  const granted = original.granted ?? [];
  booking.book({
    kind: 'refund',
    transfer: [earned.account, `user:${user_id}`, earned.amount],
    transaction_type: 'refund',
    app_name: original.app_name,
    description: command.description,
    project_code: original.project_code,
    refunds: original.movement_id,
    granted,
  });
  booking.addGranted(user_id, granted);
  lapseGrants(booking, user_id);
  if (granted.length > 0 && booking.accountOf(user_id).grants.length > MOST_KEPT_GRANTS) {
    return refused('too-many-grants');
  }
  return done([user_id]);
}

/** Credits keep their ends on the way to another user. */
export function transfer(booking: Booking, command: Command<'transfer'>): RuleOutcome {
  const { from_user_id, to_user_id, amount } = command;
  if (from_user_id === to_user_id) return refused('same-user');
  const from = booking.account(from_user_id);
  const to = booking.account(to_user_id);
  if (!from) return refusedFor(from_user_id, 'unknown-user');
  if (!to) return refusedFor(to_user_id, 'unknown-user');
  if (from.available < amount) return refusedFor(from_user_id, 'insufficient-credits');
  if (to.available + to.held + amount > MOST_CREDITS) return refusedFor(to_user_id, 'balance-too-large');
  const granted = booking.takeGranted(from_user_id, amount);
  const { movement_id } = booking.book({
    kind: 'transfer',
    transfer: [`user:${from_user_id}`, `user:${to_user_id}`, amount],
    transaction_type: 'transfer',
    app_name: command.app_name,
    description: command.description,
    project_code: null,
    granted,
  });
  booking.addGranted(
    to_user_id,
    granted.map((part) => ({ ...part, movement_id })),
  );
  if (granted.length > 0 && areTooMany(booking.accountOf(to_user_id).grants))
    return refusedFor(to_user_id, 'too-many-grants');
  return done([from_user_id, to_user_id]);
}

function refusedFor(user_id: string, reason: LedgerRefusal): Refused {
  return { kind: 'refused', reason, user_id };
}
