import { type Booking, LedgerInvariantError } from '../booking.ts';
import { takeFromParts } from '../grants.ts';
import { endHold, leftOf } from '../holds.ts';
import type { LedgerCommand } from '../ledger.ts';
import { done, type RuleOutcome, refused } from './outcome.ts';
import { lapseGrants, returnHeld } from './settle.ts';

type Command<Kind> = Extract<LedgerCommand, { kind: Kind }>;

/** Sets credits aside. Those of a grant stay what they are: what is held when it lapses can still be captured. */
export function hold(booking: Booking, command: Command<'hold'>): RuleOutcome {
  const { hold_id, user_id, amount, app_name, description, expires_at } = command;
  const account = booking.account(user_id);
  if (!account) return refused('unknown-user');
  if (expires_at <= booking.now) return refused('already-expired');
  if (account.available < amount) return refused('insufficient-credits');
  if (booking.hold(hold_id)) throw new LedgerInvariantError(`The hold ${hold_id} is there already`);
  const granted = booking.takeGranted(user_id, amount);
  booking.book({
    kind: 'hold',
    transfer: [`user:${user_id}`, `held:${user_id}`, amount],
    transaction_type: 'hold',
    app_name,
    description,
    project_code: null,
    hold_id,
    granted,
  });
  booking.setHold({
    hold_id,
    user_id,
    amount,
    captured: 0,
    status: 'open',
    app_name,
    description,
    created_at: booking.now,
    expires_at,
    granted,
  });
  return done([user_id], hold_id);
}

/** Spends what was set aside, in part or whole. */
export function capture(booking: Booking, command: Command<'capture'>): RuleOutcome {
  const held = booking.hold(command.hold_id);
  if (!held) return refused('unknown-hold');
  if (held.status !== 'open') return refused('hold-not-open', held);
  const left = leftOf(held);
  const amount = command.amount ?? left;
  if (amount > left) return refused('more-than-held', held);
  const { left: granted, taken } = takeFromParts(held.granted, amount);
  booking.book({
    kind: 'capture',
    transfer: [`held:${held.user_id}`, `app:${held.app_name}`, amount],
    transaction_type: 'used',
    app_name: held.app_name,
    description: command.description ?? held.description,
    project_code: command.project_code,
    hold_id: held.hold_id,
    granted: taken,
  });
  const captured = { ...held, captured: held.captured + amount, granted };
  booking.setHold(captured);
  if (command.final) returnHeld(booking, held.hold_id, 'Rest of the hold');
  if (command.final || amount === left) booking.setHold(endHold(captured, 'captured'));
  lapseGrants(booking, held.user_id);
  return done([held.user_id], held.hold_id);
}

export function release(booking: Booking, command: Command<'release'>): RuleOutcome {
  const held = booking.hold(command.hold_id);
  if (!held) return refused('unknown-hold');
  if (held.status !== 'open') return refused('hold-not-open', held);
  returnHeld(booking, held.hold_id, 'Hold released');
  booking.setHold(endHold(held, 'released'));
  lapseGrants(booking, held.user_id);
  return done([held.user_id], held.hold_id);
}
