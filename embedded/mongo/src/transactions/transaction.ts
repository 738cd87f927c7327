import type { Collection } from '../store/collection.ts';
import type { ReadView, StoredRecord } from '../store/record.ts';
import type { Snapshot } from '../store/snapshots.ts';

/** A multi-document transaction: a snapshot to read from and the records it changed. */
export class Transaction {
  readonly number: bigint;
  readonly snapshot: Snapshot;
  readonly view: ReadView;
  /** In the order of the first change. */
  readonly changed = new Map<StoredRecord, Collection>();
  /** Resolves when the transaction commits or aborts; writers that wait for a record wait for this. */
  readonly ended: Promise<void>;
  readonly markEnded: () => void;
  lastUsedAt = Date.now();
  /** The client connection that its latest command came over. */
  connectionId: number;

  constructor(number: bigint, snapshot: Snapshot, connectionId: number) {
    this.number = number;
    this.connectionId = connectionId;
    this.snapshot = snapshot;
    this.view = { timestamp: snapshot.timestamp, transaction: this };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.markEnded = resolve;
  }
}

/** Thrown to a writer outside of transactions: it waits for the transaction to end, then tries again. */
export class LockWait extends Error {
  readonly transaction: Transaction;

  constructor(transaction: Transaction) {
    super('waiting for a transaction that changed the same document');
    this.name = 'LockWait';
    this.transaction = transaction;
  }
}
