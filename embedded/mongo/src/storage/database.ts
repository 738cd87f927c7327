import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { type Change, changeKind, readBatch } from './batch.ts';
import { DataFileDamaged, DataFileInUse } from './errors.ts';
import { checkWriteAheadLog } from './writeAheadLog.ts';

// One table per collection, so that a drop is a DROP TABLE; a record's id is its insertion order. Every row
// carries a checksum over its place and its bytes, because SQLite itself does not notice a flipped byte in a blob.

const formatVersion = 1;

const sqliteBusy = 5;
export const sqliteDamaged = new Set([11, 26]);

export interface StoredRow {
  record: number;
  bytes: Uint8Array;
}

/** The SQLite side of the server; lives in the storage thread. */
export class Database {
  private readonly file: string;
  private readonly lock: DatabaseSync;
  private readonly sqlite: DatabaseSync;
  private readonly puts = new Map<number, StatementSync>();
  private readonly removes = new Map<number, StatementSync>();

  /**
   * Opens and verifies the data file, and keeps others out of it until `close`.
   * @throws DataFileInUse, DataFileDamaged
   */
  constructor(file: string) {
    this.file = file;
    mkdirSync(dirname(file), { recursive: true });
    this.lock = openLock(file);
    try {
      checkFilesBeforeOpening(file);
      this.sqlite = openVerified(file);
    } catch (error) {
      this.lock.close();
      throw error;
    }
    // The marker says that the log must exist from here on, until a clean stop.
    this.sqlite.exec(`PRAGMA user_version = ${formatVersion}; UPDATE starts SET count = count + 1`);
    writeFileSync(markerOf(file), `${process.pid}\n`, { flush: true });
  }

  *collections(): Generator<StoredRow> {
    yield* this.rows('collections', collectionsTable);
  }

  *sessions(): Generator<StoredRow> {
    for (const row of this.sqlite.prepare('SELECT bytes, checksum FROM sessions').iterate()) {
      yield { record: 0, bytes: this.verified('sessions', row, 0, 0) };
    }
  }

  *documents(collection: number): Generator<StoredRow> {
    yield* this.rows(tableOf(collection), collection);
  }

  /** Writes a batch as one SQLite transaction; when it returns, the batch is on disk. */
  commit(packed: Buffer): void {
    this.sqlite.exec('BEGIN IMMEDIATE');
    try {
      for (const change of readBatch(packed)) this.apply(change);
      this.sqlite.exec('COMMIT');
    } catch (error) {
      if (this.sqlite.isTransaction) this.sqlite.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    rmSync(markerOf(this.file), { force: true });
    this.sqlite.close();
    this.lock.close();
  }

  private apply({ kind, collection, record, bytes }: Change): void {
    switch (kind) {
      case changeKind.putDocument:
        this.put(collection).run(record, bytes, checksumOf(collection, record, bytes));
        return;
      case changeKind.removeDocument:
        this.remove(collection).run(record);
        return;
      case changeKind.putCollection:
        this.sqlite.exec(`CREATE TABLE IF NOT EXISTS ${tableOf(collection)} (${rowColumns})`);
        this.sqlite
          .prepare('INSERT OR REPLACE INTO collections VALUES (?, ?, ?)')
          .run(collection, bytes, checksumOf(collectionsTable, collection, bytes));
        return;
      case changeKind.dropCollection:
        this.puts.delete(collection);
        this.removes.delete(collection);
        this.sqlite.exec(`DROP TABLE IF EXISTS ${tableOf(collection)}`);
        this.sqlite.prepare('DELETE FROM collections WHERE record = ?').run(collection);
        return;
      case changeKind.putSession:
        this.putSession(bytes);
        return;
      case changeKind.removeSession:
        this.sqlite.prepare('DELETE FROM sessions WHERE id = ?').run(bytes);
    }
  }

  private sessionStatement: StatementSync | undefined;

  /** A session's row starts with its 16-byte id. */
  private putSession(bytes: Buffer): void {
    this.sessionStatement ??= this.sqlite.prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)');
    this.sessionStatement.run(bytes.subarray(0, 16), bytes, checksumOf(0, 0, bytes));
  }

  private put(collection: number): StatementSync {
    let statement = this.puts.get(collection);
    if (statement === undefined) {
      statement = this.sqlite.prepare(`INSERT OR REPLACE INTO ${tableOf(collection)} VALUES (?, ?, ?)`);
      this.puts.set(collection, statement);
    }
    return statement;
  }

  private remove(collection: number): StatementSync {
    let statement = this.removes.get(collection);
    if (statement === undefined) {
      statement = this.sqlite.prepare(`DELETE FROM ${tableOf(collection)} WHERE record = ?`);
      this.removes.set(collection, statement);
    }
    return statement;
  }

  private *rows(table: string, collection: number): Generator<StoredRow> {
    for (const row of this.sqlite
      .prepare(`SELECT record, bytes, checksum FROM ${table} ORDER BY record`)
      .iterate()) {
      const record = Number(row.record);
      yield { record, bytes: this.verified(table, row, collection, record) };
    }
  }

  private verified(
    table: string,
    row: Record<string, unknown>,
    collection: number,
    record: number,
  ): Uint8Array {
    const bytes = row.bytes;
    if (!(bytes instanceof Uint8Array) || checksumOf(collection, record, bytes) !== row.checksum) {
      throw new DataFileDamaged(this.file, `the row ${record} of table ${table} does not match its checksum`);
    }
    return bytes;
  }
}

const collectionsTable = 0;
const rowColumns = 'record INTEGER PRIMARY KEY, bytes BLOB NOT NULL, checksum INTEGER NOT NULL';

function tableOf(collection: number): string {
  return `documents_${collection}`;
}

function markerOf(file: string): string {
  return `${file}-open`;
}

function checksumOf(collection: number, record: number, bytes: Uint8Array): number {
  return crc32(bytes, (Math.imul(collection, 0x9e3779b1) ^ record) >>> 0);
}

/** Keeps other servers out. The log is examined before SQLite opens it, so SQLite's own lock would come too late. */
function openLock(file: string): DatabaseSync {
  const lock = new DatabaseSync(`${file}-lock`);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw sqliteCode(error) === sqliteBusy ? new DataFileInUse(file) : error;
  }
  return lock;
}

function checkFilesBeforeOpening(file: string): void {
  const uncleanStop = existsSync(markerOf(file));
  const logBytes = existsSync(`${file}-wal`) ? statSync(`${file}-wal`).size : 0;
  const exists = existsSync(file);
  if (!exists && (uncleanStop || logBytes > 0)) {
    throw new DataFileDamaged(file, 'the file is missing, although its log or marker is there');
  }
  if (exists && statSync(file).size === 0) {
    throw new DataFileDamaged(
      file,
      'the file is empty',
      `To start with an empty database, delete it: rm '${file}'*`,
    );
  }
  if (exists) checkWriteAheadLog(file, uncleanStop);
}

function openVerified(file: string): DatabaseSync {
  const sqlite = new DatabaseSync(file);
  try {
    sqlite.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const finding = sqlite.prepare('PRAGMA quick_check(1)').get()?.quick_check;
    if (finding !== 'ok') throw new DataFileDamaged(file, `SQLite's check found: ${String(finding)}`);
    const version = Number(sqlite.prepare('PRAGMA user_version').get()?.user_version);
    if (version > formatVersion) {
      throw new DataFileDamaged(
        file,
        `its format is ${version}, newer than this server's ${formatVersion}`,
        'Use the newer server.',
      );
    }
    sqlite.exec(`
      CREATE TABLE IF NOT EXISTS collections (${rowColumns});
      CREATE TABLE IF NOT EXISTS sessions (id BLOB PRIMARY KEY, bytes BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS starts (count INTEGER NOT NULL);
      INSERT INTO starts SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM starts);
    `);
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw openingError(file, error);
  }
}

function openingError(file: string, error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === sqliteBusy) return new DataFileInUse(file);
  if (code !== null && sqliteDamaged.has(code)) {
    return new DataFileDamaged(file, error instanceof Error ? error.message : String(error));
  }
  return error;
}

/** SQLite's primary result code of an error, or null when it is not SQLite's. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}
