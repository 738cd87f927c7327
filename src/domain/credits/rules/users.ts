import { isLow, newAccount } from '../account.ts';
import type { Booking } from '../booking.ts';
import type { LedgerCommand } from '../ledger.ts';
import { MOST_CREDITS, WELCOME_BONUS } from '../limits.ts';
import type { LedgerOperation } from '../operation.ts';
import { done, type RuleOutcome, refused } from './outcome.ts';
import { SYSTEM_APP } from './settle.ts';

type Command<Kind> = Extract<LedgerCommand, { kind: Kind }>;
type Operation<Kind> = Extract<LedgerOperation, { kind: Kind }>;

/** A new user's credits are a bonus of ten and the rest; of one who is there already only the names change. */
export function createUser(booking: Booking, command: Command<'create-user'>): RuleOutcome {
  const { user_id, username, email, initial_credits, keeps_known } = command;
  const known = booking.account(user_id);
  if (known) {
    if (!keeps_known && (known.username !== username || known.email !== email)) {
      booking.setAccount({ ...known, username, email });
    }
    return done([user_id]);
  }
  if (initial_credits > MOST_CREDITS) return refused('balance-too-large');
  booking.setAccount(newAccount(command, booking.now));
  giveFromIssuance(booking, user_id, WELCOME_BONUS, {
    kind: 'bonus',
    transaction_type: 'bonus',
    description: 'Welcome bonus',
  });
  open(booking, user_id, initial_credits - WELCOME_BONUS);
  return done([user_id]);
}

/** Takes over a user with the credits that it had elsewhere. */
export function importUser(booking: Booking, operation: Operation<'import-user'>): RuleOutcome {
  const { user_id, credits } = operation;
  if (booking.account(user_id)) return done([user_id]);
  if (credits > MOST_CREDITS) return refused('balance-too-large');
  booking.setAccount(newAccount(operation, booking.now));
  open(booking, user_id, credits);
  return done([user_id]);
}

/** One of the bonuses that everybody gets. */
export function giveBonus(booking: Booking, operation: Operation<'give-bonus'>): RuleOutcome {
  const { user_id, amount } = operation;
  const account = booking.account(user_id);
  if (!account) return refused('unknown-user');
  if (account.available + account.held + amount > MOST_CREDITS) return refused('balance-too-large');
  giveFromIssuance(booking, user_id, amount, {
    kind: 'bonus',
    transaction_type: 'bonus',
    description: 'Bonus credits',
  });
  return done([user_id]);
}

/** Whoever sets a threshold knows the balance: only a later fall below it is told. */
export function setThreshold(booking: Booking, command: Command<'set-threshold'>): RuleOutcome {
  const account = booking.account(command.user_id);
  if (!account) return refused('unknown-user');
  const changed = { ...account, low_threshold: command.threshold };
  booking.setAccount({ ...changed, below_threshold: isLow(changed) });
  return done([command.user_id]);
}

/** @param credits - below zero when the bonus alone is more than the user is to have */
function open(booking: Booking, userId: string, credits: number): void {
  if (credits === 0) return;
  booking.book({
    kind: 'opening',
    transfer:
      credits > 0 ? ['issuance', `user:${userId}`, credits] : [`user:${userId}`, 'issuance', -credits],
    transaction_type: 'adjustment',
    app_name: SYSTEM_APP,
    description: 'Opening balance',
    project_code: null,
  });
}

function giveFromIssuance(
  booking: Booking,
  userId: string,
  amount: number,
  what: { readonly kind: 'bonus'; readonly transaction_type: string; readonly description: string },
): void {
  booking.book({
    ...what,
    transfer: ['issuance', `user:${userId}`, amount],
    app_name: SYSTEM_APP,
    project_code: null,
  });
}
