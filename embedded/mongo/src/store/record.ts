import type { OrderedIndex } from '../index/orderedIndex.ts';
import type { Transaction } from '../transactions/transaction.ts';
import type { Version } from './version.ts';

/** An entry of an index: the encoded key of one version of a record. */
export interface IndexEntry {
  index: OrderedIndex;
  key: string;
}

/** A change that an open transaction made and nobody else sees yet. */
export interface PendingChange {
  transaction: Transaction;
  /** null: deleted */
  version: Version | null;
  /** Entries to drop when the transaction commits, and those to drop when it aborts. */
  stale: IndexEntry[];
  fresh: IndexEntry[];
}

/** An older state that an open snapshot may still read: it was current from `from` until before `until`. */
export interface SupersededVersion {
  version: Version | null;
  from: number;
  until: number;
}

/** A document's place in a collection, with all its versions that someone can see. */
export interface StoredRecord {
  /** Insertion order, and the row id on disk. */
  readonly id: number;
  /** Makes index entries unique and orders equal keys by insertion. */
  readonly tie: string;
  /** The encoded `_id`. */
  readonly key: string;
  /** The committed state; null when deleted or not yet committed. */
  current: Version | null;
  /** When `current` was committed. */
  changedAt: number;
  pending: PendingChange | null;
  superseded: SupersededVersion[] | null;
}

/** What a reader sees: the state as of a timestamp, plus its own transaction's changes. */
export interface ReadView {
  readonly timestamp: number;
  readonly transaction: Transaction | null;
}

/** Sees everything that is committed at the time of each read. */
export const latestView: ReadView = { timestamp: Number.POSITIVE_INFINITY, transaction: null };

export function newRecord(id: number, key: string): StoredRecord {
  return { id, tie: tieOf(id), key, current: null, changedAt: 0, pending: null, superseded: null };
}

function tieOf(id: number): string {
  const high = Math.floor(id / 0x1000000);
  return String.fromCharCode(
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    (id >>> 16) & 0xff,
    (id >>> 8) & 0xff,
    id & 0xff,
  );
}

export const tieLength = 6;

export function visibleVersion(record: StoredRecord, view: ReadView): Version | null {
  const { pending } = record;
  if (pending !== null && pending.transaction === view.transaction) return pending.version;
  if (record.changedAt <= view.timestamp) return record.current;
  for (const { version, from, until } of record.superseded ?? []) {
    if (from <= view.timestamp && view.timestamp < until) return version;
  }
  return null;
}

/** Whether a record has one single state, the same for every reader. */
export function isSettled(record: StoredRecord): boolean {
  return record.pending === null && record.superseded === null;
}
