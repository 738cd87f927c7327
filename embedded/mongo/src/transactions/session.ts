import type { Binary } from 'bson';
import type { Document } from '../bson/values.ts';
import type { Transaction } from './transaction.ts';

/**
 * What is remembered of the last numbered command of a session, so that a retry of it is not applied twice:
 * its whole reply, how far it got, or that its transaction was committed.
 */
export type RetryRecord =
  | { kind: 'reply'; number: bigint; body: Document }
  | { kind: 'partial'; number: bigint; body: Document }
  | { kind: 'committed'; number: bigint };

export class Session {
  readonly key: string;
  readonly id: Uint8Array;
  lastUsedAt = Date.now();
  retry: RetryRecord | null = null;
  transaction: Transaction | null = null;
  /** The number of the last transaction that did not commit. */
  abortedNumber: bigint | null = null;
  /** A numbered command that is still running; a retry of it waits. */
  running: Promise<unknown> | null = null;

  constructor(key: string, id: Uint8Array) {
    this.key = key;
    this.id = id;
  }

  /** The highest number that was used: what comes with a lower one is late. */
  get lastNumber(): bigint {
    if (this.transaction !== null) return this.transaction.number;
    const written = this.retry?.number ?? -1n;
    const aborted = this.abortedNumber ?? -1n;
    return written > aborted ? written : aborted;
  }
}

export function sessionKey(id: Binary): string {
  return Buffer.from(id.buffer.subarray(0, id.position)).toString('hex');
}
