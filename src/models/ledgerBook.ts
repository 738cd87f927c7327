import { randomBytes } from 'node:crypto';
import type { ClientSession, Connection } from 'mongoose';
import type { CreditAccount } from '../domain/credits/account.ts';
import type { LedgerEffects, LedgerState, LowBalance } from '../domain/credits/booking.ts';
import { decide, touchedUsers } from '../domain/credits/decide.ts';
import type { HeldCredits } from '../domain/credits/holds.ts';
import type { LedgerOutcome, Movement } from '../domain/credits/ledger.ts';
import type { LedgerOperation } from '../domain/credits/operation.ts';
import { addToEventOutbox } from './eventOutbox.ts';
import {
  accounts,
  fromAccount,
  fromHold,
  fromMovement,
  holds,
  movements,
  toAccount,
  toHold,
  toMovement,
} from './ledgerDocuments.ts';

/** Overdue holds that one transaction ends, so that it is small enough to be committed in time. */
const MOST_OVERDUE_HOLDS = 500;

/** What a commit has changed. */
export interface LedgerChange {
  /** Whose balance is another one. */
  readonly user_ids: readonly string[];
  /** The events that were added to the outbox. */
  readonly event_ids: readonly string[];
}

/** Something else wrote to the ledger's collections without a transaction. */
export class ForeignWriteError extends Error {
  override name = 'ForeignWriteError';
}

/**
 * The part of the ledger that some operations need, as one transaction sees it. They are carried out in memory, one after
 * the other, each seeing what the ones before have done; then everything is written at once.
 */
export class LedgerBook implements LedgerState {
  readonly #connection: Connection;
  readonly #session: ClientSession;
  readonly #now: number;
  readonly #loadedAccounts = new Map<string, CreditAccount>();
  readonly #accounts = new Map<string, CreditAccount>();
  readonly #loadedHolds = new Map<string, HeldCredits>();
  readonly #holds = new Map<string, HeldCredits>();
  readonly #unsettled = new Set<string>();
  readonly #movements = new Map<string, Movement>();
  /** Of a refunded movement: the refund. */
  readonly #refunds = new Map<string, string>();
  readonly #booked: Movement[] = [];
  readonly #lowBalances: LowBalance[] = [];

  private constructor(connection: Connection, session: ClientSession) {
    this.#connection = connection;
    this.#session = session;
    this.#now = Date.now();
  }

  /** Reads what the operations need. */
  static async open(
    connection: Connection,
    session: ClientSession,
    operations: readonly LedgerOperation[],
  ): Promise<LedgerBook> {
    const book = new LedgerBook(connection, session);
    await book.#loadHolds(operations);
    await book.#loadMovements(operations);
    await book.#loadAccounts(operations);
    await book.#loadOverdueHolds();
    return book;
  }

  account(userId: string): CreditAccount | undefined {
    return this.#accounts.get(userId);
  }

  hold(holdId: string): HeldCredits | undefined {
    return this.#holds.get(holdId);
  }

  holdsOf(userId: string): HeldCredits[] {
    if (this.#holds.size === 0) return [];
    return [...this.#holds.values()].filter((hold) => hold.user_id === userId);
  }

  movement(movementId: string): Movement | undefined {
    return this.#movements.get(movementId);
  }

  refundOf(movementId: string): string | undefined {
    return this.#refunds.get(movementId);
  }

  /**
   * Those of the users that the operation touches who have more overdue holds than are here: what they can spend is more
   * than the book knows. Until they are settled nothing may be carried out that is refused, or answered, by a balance.
   */
  unsettled(operation: LedgerOperation): readonly string[] {
    if (this.#unsettled.size === 0) return [];
    return touchedUsers(this, operation).filter((userId) => this.#unsettled.has(userId));
  }

  /** Carries out one of the operations that the book was opened for, in memory. */
  carryOut(operation: LedgerOperation): LedgerOutcome {
    const { outcome, effects } = decide(this, operation, { now: this.#now, uniqueSuffix });
    this.#take(effects);
    return outcome;
  }

  /** Writes what the operations have come to. */
  async write(): Promise<LedgerChange> {
    // The accounts come first: they are what concurrent transactions collide on, and a collision then costs least.
    await this.#writeAccounts();
    await this.#writeHolds();
    if (this.#booked.length > 0) {
      await movements(this.#connection).insertMany(this.#booked.map(fromMovement), this.#unordered);
    }
    const event_ids = await addToEventOutbox(
      this.#connection,
      this.#lowBalances.map(this.#asEvent),
      this.#session,
    );
    const moved = this.#changedAccounts().filter(
      (account) => account.version !== this.#loadedAccounts.get(account.user_id)?.version,
    );
    return { user_ids: moved.map((account) => account.user_id), event_ids };
  }

  get #inSession() {
    return { session: this.#session };
  }

  get #unordered() {
    return { session: this.#session, ordered: false };
  }

  async #loadHolds(operations: readonly LedgerOperation[]): Promise<void> {
    const ids = new Set(operations.flatMap((operation) => ('hold_id' in operation ? operation.hold_id : [])));
    if (ids.size === 0) return;
    const found = holds(this.#connection).find({ _id: { $in: [...ids] } }, this.#inSession);
    for await (const document of found) this.#addHold(toHold(document));
  }

  async #loadMovements(operations: readonly LedgerOperation[]): Promise<void> {
    const ids = new Set(
      operations.flatMap((operation) => (operation.kind === 'refund' ? operation.movement_id : [])),
    );
    if (ids.size === 0) return;
    const named = movements(this.#connection).find({ _id: { $in: [...ids] } }, this.#inSession);
    for await (const document of named) this.#movements.set(document._id, toMovement(document));
    const refunds = movements(this.#connection).find(
      { refunds: { $in: [...ids] } },
      { ...this.#inSession, projection: { refunds: 1 } },
    );
    for await (const { _id, refunds: original } of refunds) if (original) this.#refunds.set(original, _id);
  }

  async #loadAccounts(operations: readonly LedgerOperation[]): Promise<void> {
    const ids = new Set(operations.flatMap((operation) => touchedUsers(this, operation)));
    if (ids.size === 0) return;
    const found = accounts(this.#connection).find({ _id: { $in: [...ids] } }, this.#inSession);
    for await (const document of found) {
      const account = toAccount(document);
      this.#loadedAccounts.set(document._id, account);
      this.#accounts.set(document._id, account);
    }
  }

  async #loadOverdueHolds(): Promise<void> {
    const holders = [...this.#accounts.values()].filter((account) => account.held > 0);
    if (holders.length === 0) return;
    const userIds = holders.map((account) => account.user_id);
    const overdue = await holds(this.#connection)
      .find(this.#overdueHoldsOf(userIds), this.#inSession)
      .sort({ expires_at: 1 })
      .limit(MOST_OVERDUE_HOLDS)
      .toArray();
    for (const document of overdue) this.#addHold(toHold(document));
    if (overdue.length < MOST_OVERDUE_HOLDS) return;
    // There may be more. Who has few of them must not suffer from who has many: theirs come whole.
    if (userIds.length > 1) await this.#loadOverdueHoldsOfFew(userIds);
    else for (const userId of userIds) this.#unsettled.add(userId);
  }

  async #loadOverdueHoldsOfFew(userIds: readonly string[]): Promise<void> {
    const counts = await holds(this.#connection)
      .aggregate<{ _id: string; count: number }>(
        [
          { $match: this.#overdueHoldsOf(userIds) },
          { $group: { _id: '$user_id', count: { $sum: 1 } } },
          { $sort: { count: 1, _id: 1 } },
        ],
        this.#inSession,
      )
      .toArray();
    const few: string[] = [];
    let room = MOST_OVERDUE_HOLDS;
    for (const { _id: userId, count } of counts) {
      room -= Number(count);
      if (room >= 0) few.push(userId);
      else this.#unsettled.add(userId);
    }
    if (few.length === 0) return;
    const found = holds(this.#connection).find(this.#overdueHoldsOf(few), this.#inSession);
    for await (const document of found) this.#addHold(toHold(document));
  }

  #overdueHoldsOf(userIds: readonly string[]) {
    return {
      user_id: { $in: [...userIds] },
      status: 'open' as const,
      expires_at: { $lte: new Date(this.#now) },
    };
  }

  #addHold(hold: HeldCredits): void {
    this.#loadedHolds.set(hold.hold_id, hold);
    this.#holds.set(hold.hold_id, hold);
  }

  #take(effects: LedgerEffects): void {
    for (const account of effects.accounts.values()) this.#accounts.set(account.user_id, account);
    for (const hold of effects.holds.values()) this.#holds.set(hold.hold_id, hold);
    for (const movement of effects.movements) {
      this.#booked.push(movement);
      this.#movements.set(movement.movement_id, movement);
      if (movement.refunds !== undefined) this.#refunds.set(movement.refunds, movement.movement_id);
    }
    this.#lowBalances.push(...effects.lowBalances);
  }

  #changedAccounts(): CreditAccount[] {
    return [...this.#accounts.values()].filter(
      (account) => account !== this.#loadedAccounts.get(account.user_id),
    );
  }

  async #writeAccounts(): Promise<void> {
    const changed = this.#changedAccounts();
    if (changed.length === 0) return;
    const written = await accounts(this.#connection).bulkWrite(
      changed.map((account) => {
        const replacement = fromAccount(account);
        const loaded = this.#loadedAccounts.get(account.user_id);
        return loaded
          ? { replaceOne: { filter: { _id: account.user_id, version: loaded.version }, replacement } }
          : { insertOne: { document: replacement } };
      }),
      this.#unordered,
    );
    requireWritten('accounts', changed.length, written);
  }

  async #writeHolds(): Promise<void> {
    const changed = [...this.#holds.values()].filter((hold) => hold !== this.#loadedHolds.get(hold.hold_id));
    if (changed.length === 0) return;
    const written = await holds(this.#connection).bulkWrite(
      changed.map((hold) => {
        const replacement = fromHold(hold);
        const loaded = this.#loadedHolds.get(hold.hold_id);
        if (!loaded) return { insertOne: { document: replacement } };
        const filter = { _id: hold.hold_id, status: 'open' as const, captured: loaded.captured };
        return { replaceOne: { filter, replacement } };
      }),
      this.#unordered,
    );
    requireWritten('holds', changed.length, written);
  }

  readonly #asEvent = ({ user_id, available, threshold }: LowBalance) => ({
    type: 'credits.low' as const,
    at: this.#now,
    data: { user_id, credits: available, threshold },
  });
}

/** Two transactions that change the same document collide, so a condition that does not hold is nobody's race. */
function requireWritten(
  what: string,
  wanted: number,
  written: { readonly matchedCount: number; readonly insertedCount: number },
): void {
  if (written.matchedCount + written.insertedCount === wanted) return;
  throw new ForeignWriteError(`Some ${what} are not as the transaction has read them`);
}

function uniqueSuffix(): string {
  return randomBytes(6).toString('hex');
}
