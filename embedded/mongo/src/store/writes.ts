import { keyString } from '../bson/keyString.ts';
import { getField } from '../bson/paths.ts';
import { serialize } from '../bson/serialize.ts';
import type { Document, Value } from '../bson/values.ts';
import { documentTooLarge, MongoServerError, writeConflict } from '../errors.ts';
import type { OrderedIndex } from '../index/orderedIndex.ts';
import { LockWait, type Transaction } from '../transactions/transaction.ts';
import type { Collection } from './collection.ts';
import { type IndexEntry, isSettled, type StoredRecord, visibleVersion } from './record.ts';
import type { Store } from './store.ts';
import { Version } from './version.ts';

// The only places where documents change. Each function checks everything before it changes anything.

const maximumDocumentBytes = 16 * 1024 * 1024;

/** @throws MongoServerError DuplicateKey, WriteConflict, DocumentValidationFailure, BSONObjectTooLarge; LockWait */
export function insertDocument(
  store: Store,
  collection: Collection,
  document: Document,
  raw: Buffer | null,
  transaction: Transaction | null,
): void {
  checkDocument(collection, document);
  const version = newVersion(document, raw);
  store.checkSize(version.raw.length);
  const key = keyString(document._id);
  const existing = collection.record(key);
  if (existing !== undefined) checkIdIsFree(collection, existing, document, transaction);
  const keys: string[][] = [];
  for (const index of collection.indexes) {
    const added = index.keysOfNew(document);
    checkUnique(collection, index, added, existing, document, transaction);
    keys.push(added);
  }
  const record = existing ?? collection.addRecord(store.nextRecordId++, key);
  const fresh: IndexEntry[] = [];
  for (const [position, index] of collection.indexes.entries()) {
    for (const added of keys[position] ?? []) {
      index.add(added, record);
      if (transaction !== null) fresh.push({ index, key: added });
    }
  }
  if (transaction === null) store.apply(collection, record, version, [], store.tick());
  else setPending(collection, record, version, transaction, [], fresh);
}

/**
 * Replaces the visible state of a record.
 * @param changedRoots the top-level fields that may differ, or null when unknown: other indexes are left alone
 */
export function replaceDocument(
  store: Store,
  collection: Collection,
  record: StoredRecord,
  document: Document,
  changedRoots: ReadonlySet<string> | null,
  transaction: Transaction | null,
): void {
  const before = lockedVersion(record, transaction);
  checkDocument(collection, document);
  const version = newVersion(document, null);
  store.checkSize(version.raw.length - before.raw.length);
  const stale: IndexEntry[] = [];
  const fresh: IndexEntry[] = [];
  for (const index of collection.indexes) {
    if (!index.isTouchedBy(changedRoots)) continue;
    const oldKeys = index.keysOf(before.document);
    const newKeys = index.keysOfNew(document);
    const added = newKeys.filter((key) => !oldKeys.includes(key));
    checkUnique(collection, index, added, record, document, transaction);
    for (const key of added) fresh.push({ index, key });
    for (const key of oldKeys) if (!newKeys.includes(key)) stale.push({ index, key });
  }
  for (const { index, key } of fresh) index.add(key, record);
  if (transaction === null) store.apply(collection, record, version, stale, store.tick());
  else setPending(collection, record, version, transaction, stale, fresh);
}

export function removeDocument(
  store: Store,
  collection: Collection,
  record: StoredRecord,
  transaction: Transaction | null,
): void {
  const before = lockedVersion(record, transaction);
  const stale = collection.indexes.flatMap((index) =>
    index.keysOf(before.document).map((key) => ({ index, key })),
  );
  if (transaction === null) store.apply(collection, record, null, stale, store.tick());
  else setPending(collection, record, null, transaction, stale, []);
}

/**
 * The state a writer changes, after making sure that it may.
 * @throws LockWait outside of transactions, WriteConflict inside
 */
export function lockedVersion(record: StoredRecord, transaction: Transaction | null): Version {
  const { pending } = record;
  if (pending !== null && pending.transaction !== transaction) {
    if (transaction === null) throw new LockWait(pending.transaction);
    throw writeConflict('the document is locked by another open transaction');
  }
  if (pending === null && transaction !== null && record.changedAt > transaction.snapshot.timestamp) {
    throw writeConflict('the document changed after the transaction began');
  }
  const version = pending === null ? record.current : pending.version;
  if (version === null) throw writeConflict('the document was deleted');
  return version;
}

function newVersion(document: Document, raw: Buffer | null): Version {
  const bytes = raw ?? serialize(document);
  if (bytes.length > maximumDocumentBytes) throw documentTooLarge(bytes.length);
  return new Version(bytes, document);
}

function checkDocument(collection: Collection, document: Document): void {
  if (collection.validator !== null && !collection.validator(document)) {
    throw new MongoServerError('DocumentValidationFailure', 'Document failed validation', {
      details: { errInfo: { failingDocumentId: document._id } },
    });
  }
}

function checkIdIsFree(
  collection: Collection,
  record: StoredRecord,
  document: Document,
  transaction: Transaction | null,
): void {
  const { pending } = record;
  if (pending !== null && pending.transaction !== transaction) {
    if (transaction === null) throw new LockWait(pending.transaction);
    throw writeConflict('the _id is being written by another open transaction');
  }
  const changedSince =
    pending === null && transaction !== null && record.changedAt > transaction.snapshot.timestamp;
  if (changedSince) throw writeConflict('the _id was written after the transaction began');
  if ((pending === null ? record.current : pending.version) !== null) {
    throw duplicateKey(collection, '_id_', { _id: 1 }, { _id: document._id ?? null });
  }
}

function checkUnique(
  collection: Collection,
  index: OrderedIndex,
  keys: readonly string[],
  self: StoredRecord | undefined,
  document: Document,
  transaction: Transaction | null,
): void {
  if (index.specification.unique !== true) return;
  for (const key of keys) {
    for (const other of index.recordsWith(key)) {
      if (other !== self) checkOtherHolder(collection, index, key, other, document, transaction);
    }
  }
}

function checkOtherHolder(
  collection: Collection,
  index: OrderedIndex,
  key: string,
  other: StoredRecord,
  document: Document,
  transaction: Transaction | null,
): void {
  const holds = (version: Version | null) => version !== null && index.keysOf(version.document).includes(key);
  const { pending } = other;
  if (!isSettled(other)) {
    if (pending !== null && pending.transaction !== transaction) {
      if (!holds(pending.version) && !holds(other.current)) return;
      if (transaction === null) throw new LockWait(pending.transaction);
      throw writeConflict(`the key of index ${index.name} is being written by another open transaction`);
    }
    const changedSince =
      pending === null && transaction !== null && other.changedAt > transaction.snapshot.timestamp;
    if (changedSince && (holds(other.current) || holds(visibleVersion(other, transaction.view)))) {
      throw writeConflict(`the key of index ${index.name} was written after the transaction began`);
    }
    if (!holds(pending === null ? other.current : pending.version)) return;
  } else if (transaction !== null && other.changedAt > transaction.snapshot.timestamp) {
    throw writeConflict(`the key of index ${index.name} was written after the transaction began`);
  }
  const values = index.fields.map(({ path, parts }) => [path, getField(document, parts) ?? null] as const);
  throw duplicateKey(collection, index.name, index.specification.key, Object.fromEntries<Value>(values));
}

export function duplicateKey(
  collection: Collection,
  indexName: string,
  keyPattern: Document,
  keyValue: Document,
): MongoServerError {
  const shown = Object.entries(keyValue).map(([field, value]) => `${field}: ${describe(value)}`);
  return new MongoServerError(
    'DuplicateKey',
    `E11000 duplicate key error collection: ${collection.namespace} index: ${indexName} dup key: { ${shown.join(', ')} }`,
    { details: { keyPattern, keyValue } },
  );
}

function describe(value: Value): string {
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}

function setPending(
  collection: Collection,
  record: StoredRecord,
  version: Version | null,
  transaction: Transaction,
  stale: IndexEntry[],
  fresh: IndexEntry[],
): void {
  if (record.pending === null) {
    record.pending = { transaction, version, stale, fresh };
    transaction.changed.set(record, collection);
    collection.writers.add(transaction);
  } else {
    record.pending.version = version;
    record.pending.stale.push(...stale);
    record.pending.fresh.push(...fresh);
  }
}
