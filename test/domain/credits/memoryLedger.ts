import type { CreditAccount } from '../../../src/domain/credits/account.ts';
import type { LedgerEffects, LedgerState, LowBalance } from '../../../src/domain/credits/booking.ts';
import { decide } from '../../../src/domain/credits/decide.ts';
import type { HeldCredits } from '../../../src/domain/credits/holds.ts';
import type { LedgerOutcome, Movement } from '../../../src/domain/credits/ledger.ts';
import type { LedgerOperation } from '../../../src/domain/credits/operation.ts';

export type Done = Extract<LedgerOutcome, { kind: 'done' }>;

/** A ledger in memory with a clock that stands until it is moved. */
export class MemoryLedger implements LedgerState {
  now = Date.parse('2026-01-05T07:00:00Z');
  readonly accounts = new Map<string, CreditAccount>();
  readonly holds = new Map<string, HeldCredits>();
  readonly movements: Movement[] = [];
  readonly lowBalances: LowBalance[] = [];
  #suffix = 0;

  account(userId: string): CreditAccount | undefined {
    return this.accounts.get(userId);
  }

  hold(holdId: string): HeldCredits | undefined {
    return this.holds.get(holdId);
  }

  holdsOf(userId: string): HeldCredits[] {
    return [...this.holds.values()].filter((hold) => hold.user_id === userId);
  }

  movement(movementId: string): Movement | undefined {
    return this.movements.find((movement) => movement.movement_id === movementId);
  }

  refundOf(movementId: string): string | undefined {
    return this.movements.find((movement) => movement.refunds === movementId)?.movement_id;
  }

  run(operation: LedgerOperation): LedgerOutcome {
    const uniqueSuffix = () => String(this.#suffix++);
    const { outcome, effects } = decide(this, operation, { now: this.now, uniqueSuffix });
    this.#take(effects);
    return outcome;
  }

  /** Runs what has to succeed. */
  done(operation: LedgerOperation): Done {
    const outcome = this.run(operation);
    if (outcome.kind !== 'done') throw new Error(`${operation.kind} was refused: ${outcome.reason}`);
    return outcome;
  }

  /** A user with these credits. */
  user(userId: string, credits: number): string {
    this.done({ kind: 'import-user', user_id: userId, username: userId, email: `${userId}@x`, credits });
    return userId;
  }

  grant(userId: string, amount: number, expiresAt: number): string {
    const { movements } = this.done({
      kind: 'add',
      user_id: userId,
      amount,
      app_name: 'system',
      transaction_type: 'bonus',
      description: 'Grant',
      expires_at: expiresAt,
    });
    return movements[0]?.movement_id ?? '';
  }

  balance(userId: string): [available: number, held: number] {
    const account = this.accounts.get(userId);
    return [account?.available ?? 0, account?.held ?? 0];
  }

  /** The sum of all entries of an account. */
  sum(account: string): number {
    return this.movements
      .flatMap((movement) => movement.entries)
      .reduce((sum, entry) => (entry.account === account ? sum + entry.amount : sum), 0);
  }

  #take(effects: LedgerEffects): void {
    for (const account of effects.accounts.values()) this.accounts.set(account.user_id, account);
    for (const hold of effects.holds.values()) this.holds.set(hold.hold_id, hold);
    this.movements.push(...effects.movements);
    this.lowBalances.push(...effects.lowBalances);
  }
}
