import { Binary } from 'bson';
import { deserialize } from '../bson/deserialize.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isDocument } from '../bson/values.ts';
import { badValue, MongoServerError, noSuchTransaction } from '../errors.ts';
import { changeKind } from '../storage/batch.ts';
import type { Store } from '../store/store.ts';
import { type RetryRecord, Session, sessionKey } from './session.ts';
import { Transaction } from './transaction.ts';

export const sessionTimeoutMinutes = 30;
const maximumSessions = 20_000;
const transactionIdleMilliseconds = 60_000;
const sessionIdBytes = 16;

/** The logical sessions of all clients, with their open transactions and retry records. */
export class Sessions {
  private readonly sessions = new Map<string, Session>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** The session a command names, or null. The order of the map is the order of last use. */
  forCommand(body: Document): Session | null {
    const { lsid } = body;
    if (!isDocument(lsid)) return null;
    const { id } = lsid;
    if (!(id instanceof Binary) || id.position !== sessionIdBytes) throw badValue('lsid.id must be a UUID');
    const key = sessionKey(id);
    const session =
      this.sessions.get(key) ?? new Session(key, Uint8Array.from(id.buffer.subarray(0, sessionIdBytes)));
    session.lastUsedAt = Date.now();
    this.sessions.delete(key);
    this.sessions.set(key, session);
    if (this.sessions.size > maximumSessions) this.forgetOldest();
    return session;
  }

  /** Takes a stored retry record at start. */
  load(row: Uint8Array): void {
    const id = row.slice(0, sessionIdBytes);
    const { kind, number, body, at } = deserialize(Buffer.from(row.subarray(sessionIdBytes)));
    if (typeof number !== 'bigint' || !(at instanceof Date)) return;
    const session = new Session(Buffer.from(id).toString('hex'), id);
    session.lastUsedAt = at.getTime();
    if (kind === 'committed') session.retry = { kind, number };
    else if ((kind === 'reply' || kind === 'partial') && isDocument(body))
      session.retry = { kind, number, body };
    this.sessions.set(session.key, session);
  }

  /** Remembers a record, in the same commit to disk as the changes made in this turn of the event loop. */
  remember(session: Session, record: RetryRecord): void {
    session.retry = record;
    const stored = serialize({ ...record, at: new Date() });
    this.store.journal.add(changeKind.putSession, 0, 0, Buffer.concat([session.id, stored]));
  }

  /** Starts the transaction of a command with `startTransaction`. */
  begin(session: Session, number: bigint, connectionId: number): Transaction {
    if (number <= session.lastNumber && session.transaction?.number !== number) throw tooOld(session, number);
    if (session.transaction?.number === number)
      throw noSuchTransaction(`Transaction ${number} has already been started`);
    if (session.transaction !== null) this.abort(session);
    const transaction = new Transaction(
      number,
      this.store.snapshots.acquire(this.store.timestamp),
      connectionId,
    );
    session.transaction = transaction;
    return transaction;
  }

  /** The open transaction that a command continues. @throws MongoServerError NoSuchTransaction */
  continue(session: Session, number: bigint, connectionId: number): Transaction {
    const { transaction } = session;
    if (transaction === null || transaction.number !== number) {
      if (number < session.lastNumber) throw tooOld(session, number);
      if (session.retry?.kind === 'committed' && session.retry.number === number) {
        throw new MongoServerError('TransactionCommitted', `Transaction ${number} has been committed.`);
      }
      throw noSuchTransaction(
        `Given transaction number ${number} does not match any in-progress transactions.`,
      );
    }
    transaction.lastUsedAt = Date.now();
    transaction.connectionId = connectionId;
    return transaction;
  }

  commit(session: Session, number: bigint, connectionId: number): void {
    const isRetry = session.retry?.kind === 'committed' && session.retry.number === number;
    if (isRetry && session.transaction === null) return;
    const transaction = this.continue(session, number, connectionId);
    session.transaction = null;
    const hasChanges = transaction.changed.size > 0;
    this.store.commit(transaction);
    if (hasChanges) this.remember(session, { kind: 'committed', number });
    else session.retry = { kind: 'committed', number };
  }

  abort(session: Session): void {
    const { transaction } = session;
    if (transaction === null) return;
    session.transaction = null;
    session.abortedNumber = transaction.number;
    this.store.abort(transaction);
  }

  end(key: string): void {
    const session = this.sessions.get(key);
    if (session === undefined) return;
    this.abort(session);
    this.sessions.delete(key);
    if (session.retry !== null) this.store.journal.add(changeKind.removeSession, 0, 0, session.id);
  }

  /**
   * Aborts what a client left open that is gone: what it changed would stay locked until the transaction times out. A
   * client that only lost one of several connections sees a transient error and runs the transaction again.
   */
  abortOf(connectionId: number): void {
    for (const session of this.sessions.values()) {
      if (session.transaction?.connectionId === connectionId) this.abort(session);
    }
  }

  /** Aborts idle transactions and forgets sessions that timed out. */
  sweep(now: number): void {
    for (const session of this.sessions.values()) {
      const { transaction } = session;
      if (transaction !== null && now - transaction.lastUsedAt > transactionIdleMilliseconds)
        this.abort(session);
      if (now - session.lastUsedAt > sessionTimeoutMinutes * 60_000) this.end(session.key);
    }
  }

  abortAll(): void {
    for (const session of this.sessions.values()) this.abort(session);
  }

  private forgetOldest(): void {
    for (const session of this.sessions.values()) {
      if (session.transaction !== null || session.running !== null) continue;
      this.end(session.key);
      return;
    }
  }
}

export function tooOld(session: Session, number: bigint): MongoServerError {
  return new MongoServerError(
    'TransactionTooOld',
    `Cannot start transaction ${number} on session ${session.key} because a newer transaction ${session.lastNumber} has already started.`,
  );
}
