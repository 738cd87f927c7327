import type { Connection } from 'mongoose';
import { checkOperation } from '../domain/credits/checkOperation.ts';
import type { LedgerCommand, LedgerOutcome } from '../domain/credits/ledger.ts';
import { type LedgerOperation, usersNamedBy } from '../domain/credits/operation.ts';
import { Coalescer } from '../runtime/coalescer.ts';
import { isOutage } from '../runtime/outage.ts';
import {
  answerOf,
  findReplies,
  type KeptReply,
  keepReplies,
  type OnceAnswer,
  type OnceKey,
  type Reply,
} from './idempotency.ts';
import { LedgerBook, type LedgerChange } from './ledgerBook.ts';
import { settleUsers } from './ledgerSettle.ts';
import { inTransaction } from './transaction.ts';
import { LONGEST_WRITE_MILLISECONDS, whyNotBegin } from './writeInTime.ts';

/** A write that must not be done twice, and what it answers. */
export interface Once extends OnceKey {
  /** Says what is answered, also to a refusal. May be called several times; the last call is the one that counts. */
  readonly reply: (outcome: LedgerOutcome) => Reply;
}

export interface LedgerOptions {
  /** Called after each commit that changed a balance or wrote an event. Must not throw. */
  readonly onChange?: ((change: LedgerChange) => void) | undefined;
}

/**
 * One write at a time: the commands of one process are carried out in the order in which they came, and a busy account
 * never collides with itself. Other processes collide and are retried.
 */
const WRITE_LIMITS = { largestWrite: 256, mostWaiting: 4_096, writesAtOnce: 1 } as const;

interface Request {
  readonly operation: LedgerOperation;
  readonly once: Once | undefined;
  /** `performance.now()` */
  readonly since: number;
}

type Settled =
  | { readonly kind: 'outcome'; readonly outcome: LedgerOutcome }
  | { readonly kind: 'answer'; readonly answer: OnceAnswer }
  /** Nothing was done: first the overdue holds of these users have to be ended. */
  | { readonly kind: 'unsettled'; readonly user_ids: readonly string[] }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Writes to the ledger. Concurrent commands of one process share transactions. */
export class Ledger {
  readonly #connection: Connection;
  readonly #onChange: (change: LedgerChange) => void;
  readonly #writes: Coalescer<Request, Settled>;
  /** By user. */
  readonly #settling = new Map<string, Promise<void>>();

  constructor(connection: Connection, options: LedgerOptions = {}) {
    this.#connection = connection;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#writes = new Coalescer(
      (requests) => this.#write(requests),
      WRITE_LIMITS,
      ({ since }) => whyNotBegin(since),
    );
  }

  /**
   * Carries the command out, all of it or nothing.
   *
   * @param since - when the client began to wait, in `performance.now()`: what waits for too long is not begun
   * @throws InvalidOperationError when a field is not what its type says
   * @throws ServiceUnavailableError when MongoDB is away or too much waits; it may be done or not
   */
  async execute(command: LedgerCommand, since = performance.now()): Promise<LedgerOutcome> {
    const settled = await this.#settle({ operation: command, once: undefined, since });
    if (settled.kind !== 'outcome') throw new TypeError('A command without a key has an outcome');
    return settled.outcome;
  }

  /**
   * Carries the command out unless it was before, and keeps the reply in the same transaction, for ever. Whoever comes
   * while the first one is on its way waits for it.
   *
   * @param since - as of `execute`
   * @throws InvalidOperationError when a field is not what its type says; the key is not used up
   * @throws ServiceUnavailableError as `execute` does; a repeat tells which
   */
  async executeOnce(command: LedgerCommand, once: Once, since = performance.now()): Promise<OnceAnswer> {
    const settled = await this.#settle({ operation: command, once, since });
    if (settled.kind !== 'answer') throw new TypeError('A command with a key has an answer');
    return settled.answer;
  }

  async #settle(request: Request): Promise<Exclude<Settled, { kind: 'failed' | 'unsettled' }>> {
    checkOperation(request.operation);
    let unsettled: readonly string[] = usersNamedBy(request.operation).filter((userId) =>
      this.#settling.has(userId),
    );
    for (;;) {
      // Who is too late afterwards is not begun: the repeat finds the holds ended.
      for (const userId of unsettled) await this.#endOverdueHolds(userId);
      const settled = await this.#writes.add(request);
      if (settled.kind === 'failed') throw settled.error;
      if (settled.kind !== 'unsettled') return settled;
      unsettled = settled.user_ids;
    }
  }

  /** In transactions of their own, which others need not wait for. All who want it of the same user share it. */
  #endOverdueHolds(userId: string): Promise<void> {
    const running =
      this.#settling.get(userId) ??
      this.#endAllOverdueHolds(userId).finally(() => this.#settling.delete(userId));
    this.#settling.set(userId, running);
    return running;
  }

  async #endAllOverdueHolds(userId: string): Promise<void> {
    for (let unfinished: readonly string[] = [userId]; unfinished.length > 0; ) {
      const settled = await settleUsers(this.#connection, unfinished);
      this.#tell(settled.change);
      unfinished = settled.unfinished;
    }
  }

  #tell(change: LedgerChange): void {
    if (change.user_ids.length > 0 || change.event_ids.length > 0) this.#onChange(change);
  }

  async #write(requests: readonly Request[]): Promise<readonly Settled[]> {
    try {
      return await this.#commit(requests);
    } catch (error) {
      // After an outage nobody knows what was committed; only what certainly was not may be done again.
      if (requests.length === 1 || isOutage(error)) throw error;
      return this.#writeEachAlone(requests);
    }
  }

  /** A command that cannot be carried out must not take the ones along that only shared its transaction. */
  async #writeEachAlone(requests: readonly Request[]): Promise<Settled[]> {
    const settled: Settled[] = [];
    let outage: unknown;
    for (const request of requests) {
      const whyNot = outage ?? whyNotBegin(request.since);
      if (whyNot) {
        settled.push({ kind: 'failed', error: whyNot });
        continue;
      }
      try {
        settled.push(...(await this.#commit([request])));
      } catch (error) {
        // The others would only wait for the same store, one after the other.
        if (isOutage(error)) outage = error;
        settled.push({ kind: 'failed', error });
      }
    }
    return settled;
  }

  async #commit(requests: readonly Request[]): Promise<Settled[]> {
    const { settled, change } = await inTransaction(
      this.#connection,
      async (session) => {
        const kept = await findReplies(
          this.#connection,
          requests.flatMap(({ once }) => once?.id ?? []),
          session,
        );
        const book = await LedgerBook.open(
          this.#connection,
          session,
          requests
            .filter(({ once }) => once === undefined || !kept.has(once.id))
            .map(({ operation }) => operation),
        );
        const fresh: KeptReply[] = [];
        const settled = requests.map((request) => carryOut(request, book, kept, fresh));
        const change = await book.write();
        await keepReplies(this.#connection, fresh, session);
        return { settled, change };
      },
      LONGEST_WRITE_MILLISECONDS,
    );
    this.#tell(change);
    return settled;
  }
}

/** @param fresh - gets the reply that is to be kept */
function carryOut(
  { operation, once }: Request,
  book: LedgerBook,
  kept: Map<string, KeptReply>,
  fresh: KeptReply[],
): Settled {
  const known = once && kept.get(once.id);
  if (once && known) return { kind: 'answer', answer: answerOf(known, once) };
  const user_ids = book.unsettled(operation);
  if (user_ids.length > 0) return { kind: 'unsettled', user_ids };
  if (!once) return { kind: 'outcome', outcome: book.carryOut(operation) };
  const reply = once.reply(book.carryOut(operation));
  const own = { id: once.id, fingerprint: once.fingerprint, reply };
  kept.set(once.id, own);
  fresh.push(own);
  return { kind: 'answer', answer: { kind: 'first', reply } };
}
