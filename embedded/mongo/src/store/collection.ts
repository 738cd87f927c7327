import sortedBtree from 'sorted-btree';
import type { SerializableDocument } from '../bson/serialize.ts';
import type { Document } from '../bson/values.ts';
import type { OrderedIndex } from '../index/orderedIndex.ts';
import type { Predicate } from '../query/predicate.ts';
import type { Transaction } from '../transactions/transaction.ts';
import {
  type IndexEntry,
  isSettled,
  newRecord,
  type ReadView,
  type StoredRecord,
  visibleVersion,
} from './record.ts';
import type { Version } from './version.ts';

const BTree = sortedBtree.default;

/** A collection in memory: its records by `_id` in insertion order, and its secondary indexes. */
export class Collection {
  readonly id: number;
  database: string;
  name: string;
  options: Document;
  validator: Predicate | null = null;
  indexes: OrderedIndex[] = [];
  /** Committed documents, and their bytes. */
  count = 0;
  dataBytes = 0;
  isDropped = false;
  /** Open transactions that changed documents here. */
  readonly writers = new Set<Transaction>();
  private readonly records = new Map<string, StoredRecord>();
  private ordered: InstanceType<typeof BTree<string, StoredRecord>> | null = null;

  constructor(id: number, database: string, name: string, options: Document) {
    this.id = id;
    this.database = database;
    this.name = name;
    this.options = options;
  }

  get namespace(): string {
    return `${this.database}.${this.name}`;
  }

  /** What is stored on disk about the collection itself. */
  get metadata(): SerializableDocument {
    return {
      database: this.database,
      name: this.name,
      options: this.options,
      indexes: this.indexes.map((index) => ({ ...index.specification })),
    };
  }

  record(key: string): StoredRecord | undefined {
    return this.records.get(key);
  }

  addRecord(id: number, key: string): StoredRecord {
    const record = newRecord(id, key);
    this.records.set(key, record);
    this.ordered?.set(key, record);
    return record;
  }

  /** All records in insertion order, also those that a reader does not see. */
  allRecords(): IterableIterator<StoredRecord> {
    return this.records.values();
  }

  /** Records by `_id` between two encoded keys. The order is built on first use and kept from then on. */
  *recordsById(low: string, high: string, reversed: boolean): Generator<StoredRecord> {
    this.ordered ??= new BTree([...this.records], (left, right) =>
      left < right ? -1 : left > right ? 1 : 0,
    );
    if (reversed) {
      for (const [key, record] of this.ordered.entriesReversed(high)) {
        if (key < low) return;
        yield record;
      }
    } else {
      for (const [key, record] of this.ordered.entries(low)) {
        if (key > high) return;
        yield record;
      }
    }
  }

  *visibleVersions(view: ReadView): Generator<Version> {
    for (const record of this.records.values()) {
      const version = visibleVersion(record, view);
      if (version !== null) yield version;
    }
  }

  forgetIfGone(record: StoredRecord): void {
    if (record.current !== null || !isSettled(record)) return;
    if (this.records.get(record.key) !== record) return;
    this.records.delete(record.key);
    this.ordered?.delete(record.key);
  }

  /** Removes index entries that no remaining version of the record has. */
  dropStaleEntries(record: StoredRecord, entries: readonly IndexEntry[]): void {
    for (const { index, key } of entries) {
      if (!remainingVersions(record).some((version) => index.keysOf(version.document).includes(key))) {
        index.delete(key, record);
      }
    }
  }
}

function remainingVersions(record: StoredRecord): Version[] {
  const versions = [
    record.current,
    record.pending?.version,
    ...(record.superseded ?? []).map(({ version }) => version),
  ];
  return versions.filter((version) => version !== null && version !== undefined);
}
