import type { Connection } from 'mongoose';
import type { LedgerCommand, LedgerOutcome } from '../domain/credits/ledger.ts';
import type { OnceAnswer, OnceKey, Reply } from './idempotency.ts';

export type { OnceAnswer, Reply } from './idempotency.ts';

/** A write that must not be done twice, and what it answers. */
export interface Once extends OnceKey {
  /** May be called several times; the last call is the one that counts. */
  readonly reply: (outcome: LedgerOutcome) => Reply;
}

/** What a commit has changed. */
export interface LedgerChange {
  /** Whose balance is another one. */
  readonly user_ids: readonly string[];
  /** How many documents were added to the event outbox. */
  readonly events: number;
}

export interface LedgerOptions {
  /** Called after each commit that changed something. Must not throw. */
  readonly onChange?: ((change: LedgerChange) => void) | undefined;
}

/** Writes to the ledger. Concurrent commands of one process share transactions. */
export class Ledger {
  constructor(_connection: Connection, _options: LedgerOptions = {}) {
    throw new Error('not yet');
  }

  /**
   * Carries the command out, all of it or nothing.
   *
   * @throws ServiceUnavailableError when MongoDB is away or too much waits; it may be done or not
   */
  execute(_command: LedgerCommand): Promise<LedgerOutcome> {
    throw new Error('not yet');
  }

  /**
   * Carries the command out unless it was before, and keeps the reply in the same transaction, for ever.
   *
   * @throws ServiceUnavailableError as `execute` does; a repeat tells which
   */
  executeOnce(_command: LedgerCommand, _once: Once): Promise<OnceAnswer> {
    throw new Error('not yet');
  }
}
