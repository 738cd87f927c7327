import { deserialize } from '../bson/deserialize.ts';
import { keyString } from '../bson/keyString.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isArray, isDocument } from '../bson/values.ts';
import type { ChangeLog } from '../changeStreams/changeLog.ts';
import { MongoServerError } from '../errors.ts';
import { buildIndex } from '../index/build.ts';
import { parseIndexSpecification } from '../index/specification.ts';
import { compileFilter } from '../query/filter.ts';
import type { Predicate } from '../query/predicate.ts';
import { type Change, changeKind } from '../storage/batch.ts';
import type { Journal } from '../storage/journal.ts';
import type { Transaction } from '../transactions/transaction.ts';
import { Collection } from './collection.ts';
import { isHeapNearlyFull } from './heap.ts';
import type { IndexEntry, StoredRecord } from './record.ts';
import { Snapshots } from './snapshots.ts';
import { Version } from './version.ts';

/** Bytes of BSON this server agrees to hold in memory. */
export const maximumDataBytes = 512 * 1024 * 1024;

const growthsPerHeapCheck = 256;

/** All databases in memory, the clock of their changes, and the journal that makes changes durable. */
export class Store {
  readonly databases = new Map<string, Map<string, Collection>>();
  readonly snapshots = new Snapshots();
  readonly changeLog: ChangeLog;
  nextRecordId = 1;
  dataBytes = 0;
  private nextCollectionId = 1;
  private clock = 0;
  private growths = 0;
  private isHeapFull = false;
  private readonly byId = new Map<number, Collection>();
  private journalOrNull: Journal | null = null;

  constructor(changeLog: ChangeLog) {
    this.changeLog = changeLog;
  }

  /** Set once, when the stored rows are loaded. */
  set journal(journal: Journal) {
    this.journalOrNull = journal;
  }

  get journal(): Journal {
    if (this.journalOrNull === null) throw new Error('the store is used before it was opened');
    return this.journalOrNull;
  }

  get timestamp(): number {
    return this.clock;
  }

  tick(): number {
    return ++this.clock;
  }

  collection(database: string, name: string): Collection | undefined {
    return this.databases.get(database)?.get(name);
  }

  createCollection(database: string, name: string, options: Document): Collection {
    const collection = this.addCollection(this.nextCollectionId, database, name, options);
    this.saveCollection(collection);
    return collection;
  }

  /** Writes of a command create what is missing, as in MongoDB. */
  ensureCollection(database: string, name: string): Collection {
    return this.collection(database, name) ?? this.createCollection(database, name, {});
  }

  saveCollection(collection: Collection): void {
    this.journal.add(changeKind.putCollection, collection.id, 0, serialize(collection.metadata));
  }

  dropCollection(collection: Collection): void {
    this.databases.get(collection.database)?.delete(collection.name);
    if (this.databases.get(collection.database)?.size === 0) this.databases.delete(collection.database);
    this.byId.delete(collection.id);
    collection.isDropped = true;
    this.dataBytes -= collection.dataBytes;
    this.journal.add(changeKind.dropCollection, collection.id, 0, null);
    this.changeLog.appendDrop(collection.database, collection.name);
  }

  renameCollection(collection: Collection, database: string, name: string): void {
    this.databases.get(collection.database)?.delete(collection.name);
    collection.database = database;
    collection.name = name;
    this.place(collection);
    this.saveCollection(collection);
  }

  setOptions(collection: Collection, options: Document): void {
    collection.options = options;
    collection.validator = validatorOf(options);
    this.saveCollection(collection);
  }

  /** Takes one row of the data file at start. */
  loadRow({ kind, collection: id, record: recordId, bytes }: Change): void {
    if (kind === changeKind.putCollection) this.loadCollection(id, deserialize(Buffer.from(bytes)));
    const collection = this.byId.get(id);
    if (kind !== changeKind.putDocument || collection === undefined) return;
    const raw = Buffer.from(bytes);
    const document = deserialize(raw);
    const record = collection.addRecord(recordId, keyString(document._id));
    record.current = new Version(raw, null);
    for (const index of collection.indexes) for (const key of index.keysOf(document)) index.add(key, record);
    this.count(collection, 1, raw.length);
    this.nextRecordId = Math.max(this.nextRecordId, recordId + 1);
  }

  /** @throws MongoServerError when `growth` more bytes would pass the size this server is made for */
  checkSize(growth: number): void {
    if (growth <= 0) return;
    // many small documents fill the JavaScript heap long before their BSON reaches the bound
    if (this.isHeapFull || this.growths++ % growthsPerHeapCheck === 0) {
      this.isHeapFull = isHeapNearlyFull();
    }
    if (!this.isHeapFull && this.dataBytes + growth <= maximumDataBytes) return;
    throw new MongoServerError(
      'OutOfDiskSpace',
      `the embedded MongoDB server keeps all documents in memory, at most ${maximumDataBytes} bytes of them and as many as fit its heap, and that is reached; delete some, or use a real MongoDB (MONGODB_URL)`,
    );
  }

  /** Makes a state of a record the committed one, in memory and in the journal. */
  apply(
    collection: Collection,
    record: StoredRecord,
    version: Version | null,
    stale: IndexEntry[],
    timestamp: number,
  ): void {
    const before = record.current;
    if (before !== null && this.snapshots.needsStateBefore(timestamp)) {
      record.superseded ??= [];
      record.superseded.push({ version: before, from: record.changedAt, until: timestamp });
      this.snapshots.retain(collection, record, stale, timestamp);
      record.current = version;
    } else {
      record.current = version;
      collection.dropStaleEntries(record, stale);
    }
    record.changedAt = timestamp;
    this.count(
      collection,
      Number(version !== null) - Number(before !== null),
      (version?.raw.length ?? 0) - (before?.raw.length ?? 0),
    );
    if (version !== null) this.journal.add(changeKind.putDocument, collection.id, record.id, version.raw);
    else {
      this.journal.add(changeKind.removeDocument, collection.id, record.id, null);
      collection.forgetIfGone(record);
    }
    this.changeLog.append(collection, before, version);
  }

  commit(transaction: Transaction): void {
    const timestamp = this.tick();
    this.snapshots.release(transaction.snapshot);
    for (const [record, collection] of transaction.changed) {
      const { pending } = record;
      if (pending === null) continue;
      record.pending = null;
      if (collection.isDropped) continue;
      if (pending.version !== null || record.current !== null) {
        this.apply(collection, record, pending.version, pending.stale, timestamp);
      } else {
        collection.dropStaleEntries(record, pending.fresh);
        collection.forgetIfGone(record);
      }
    }
    this.end(transaction);
  }

  abort(transaction: Transaction): void {
    this.snapshots.release(transaction.snapshot);
    for (const [record, collection] of transaction.changed) {
      const { pending } = record;
      if (pending === null) continue;
      record.pending = null;
      collection.dropStaleEntries(record, pending.fresh);
      collection.forgetIfGone(record);
    }
    this.end(transaction);
  }

  private end(transaction: Transaction): void {
    for (const collection of transaction.changed.values()) collection.writers.delete(transaction);
    transaction.markEnded();
  }

  private count(collection: Collection, documents: number, bytes: number): void {
    collection.count += documents;
    collection.dataBytes += bytes;
    this.dataBytes += bytes;
  }

  private loadCollection(id: number, metadata: Document): void {
    const { database, name, options, indexes } = metadata;
    if (typeof database !== 'string' || typeof name !== 'string' || !isDocument(options) || !isArray(indexes))
      return;
    const collection = this.addCollection(id, database, name, options);
    for (const specification of indexes) {
      if (isDocument(specification))
        collection.indexes.push(buildIndex(parseIndexSpecification(specification), true));
    }
  }

  private addCollection(id: number, database: string, name: string, options: Document): Collection {
    const collection = new Collection(id, database, name, options);
    collection.validator = validatorOf(options);
    this.nextCollectionId = Math.max(this.nextCollectionId, id + 1);
    this.byId.set(id, collection);
    this.place(collection);
    return collection;
  }

  private place(collection: Collection): void {
    const { database, name } = collection;
    const collections = this.databases.get(database) ?? new Map<string, Collection>();
    this.databases.set(database, collections.set(name, collection));
  }
}

function validatorOf({ validator, validationLevel }: Document): Predicate | null {
  if (!isDocument(validator) || validationLevel === 'off') return null;
  try {
    return compileFilter(validator);
  } catch (error) {
    if (!(error instanceof MongoServerError)) throw error;
    // an earlier version took it: its file is opened and read, and writes say what is wrong until collMod mends it
    return () => {
      throw error;
    };
  }
}
