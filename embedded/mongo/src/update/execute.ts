import { BSONRegExp, ObjectId } from 'bson';
import type { Variables } from '../aggregation/expression.ts';
import { type Document, isArray, type Value } from '../bson/values.ts';
import { MongoServerError } from '../errors.ts';
import type { Collation } from '../query/collation.ts';
import { findMatches } from '../query/find.ts';
import type { Collection } from '../store/collection.ts';
import { latestView, type StoredRecord } from '../store/record.ts';
import type { Store } from '../store/store.ts';
import { insertDocument, removeDocument, replaceDocument } from '../store/writes.ts';
import type { Transaction } from '../transactions/transaction.ts';
import { documentFromFilter, type Update } from './update.ts';

export interface UpdateStatement {
  filter: Document;
  update: Update;
  isReplacement: boolean;
  multi: boolean;
  upsert: boolean;
  sort?: Document | undefined;
  collation: Collation | null;
  hint?: Value | undefined;
  variables: Variables | null;
  /** Gets both states of a document before its change is made; when it throws, the change is not made. */
  beforeChange?: (before: Document | null, after: Document) => void;
}

/** How far a statement got; a statement that had to wait for a transaction goes on from here. */
export interface UpdateProgress {
  matched: number;
  modified: number;
  upsertedId: Value | undefined;
  readonly done: Set<StoredRecord>;
}

export function newProgress(): UpdateProgress {
  return { matched: 0, modified: 0, upsertedId: undefined, done: new Set() };
}

/** @throws LockWait when an open transaction holds a document; call again with the same progress afterwards */
export function executeUpdate(
  store: Store,
  collection: Collection,
  statement: UpdateStatement,
  transaction: Transaction | null,
  progress: UpdateProgress,
): void {
  const { filter, update, multi, upsert, sort, collation, hint, variables, beforeChange } = statement;
  const matches = findMatches(
    collection,
    { filter, sort, collation, hint, variables, limit: multi ? 0 : 1 },
    transaction?.view ?? latestView,
  );
  for (const { record, version } of matches) {
    if (progress.done.has(record)) continue;
    const { document: before } = version;
    const { document, isChanged, changedRoots } = update(before, filter, false);
    beforeChange?.(before, document);
    if (isChanged) {
      replaceDocument(store, collection, record, document, changedRoots, transaction);
      progress.modified++;
    }
    progress.matched++;
    if (multi) progress.done.add(record);
  }
  if (progress.matched === 0 && upsert) insertFromFilter(store, collection, statement, transaction, progress);
}

function insertFromFilter(
  store: Store,
  collection: Collection,
  { filter, update, isReplacement, beforeChange }: UpdateStatement,
  transaction: Transaction | null,
  progress: UpdateProgress,
): void {
  const { document } = update(documentFromFilter(filter, isReplacement), filter, true);
  const id = document._id ?? new ObjectId();
  if (isArray(id) || id instanceof BSONRegExp)
    throw new MongoServerError('InvalidIdField', "The '_id' value cannot be an array or a regex");
  const { _id: _unset, ...rest } = document;
  const inserted = { _id: id, ...rest };
  beforeChange?.(null, inserted);
  insertDocument(store, collection, inserted, null, transaction);
  progress.upsertedId = id;
}

export interface DeleteStatement {
  filter: Document;
  limit: number;
  sort?: Document | undefined;
  collation: Collation | null;
  hint?: Value | undefined;
  variables: Variables | null;
}

/** Deletes what matches and gives the documents' last states. @throws LockWait; call again, and add up */
export function executeDelete(
  store: Store,
  collection: Collection,
  { limit, ...query }: DeleteStatement,
  transaction: Transaction | null,
  onDeleted: (document: Document) => void,
): void {
  for (const { record, version } of findMatches(
    collection,
    { ...query, limit },
    transaction?.view ?? latestView,
  )) {
    removeDocument(store, collection, record, transaction);
    onDeleted(version.document);
  }
}
