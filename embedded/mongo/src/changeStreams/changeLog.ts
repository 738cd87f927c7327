import type { Collection } from '../store/collection.ts';
import type { Version } from '../store/version.ts';

export interface DocumentChange {
  type: 'document';
  sequence: number;
  at: Date;
  database: string;
  collection: string;
  before: Version | null;
  after: Version | null;
}

export interface DropChange {
  type: 'drop';
  sequence: number;
  at: Date;
  database: string;
  collection: string;
}

export type LoggedChange = DocumentChange | DropChange;

const maximumChanges = 20_000;
const maximumBytes = 32 * 1024 * 1024;

/** The latest changes, in memory, for change streams to follow and to resume from. */
export class ChangeLog {
  /** Tells this run's positions from those of an earlier run of the server. */
  readonly epoch = Math.floor(Date.now() / 1000);
  private changes: LoggedChange[] = [];
  private bytes = 0;
  private sequence = 0;
  private waiting: (() => void)[] = [];

  append(collection: Collection, before: Version | null, after: Version | null): void {
    const { database, name } = collection;
    this.push({ type: 'document', sequence: 0, at: new Date(), database, collection: name, before, after });
    this.bytes += (before?.raw.length ?? 0) + (after?.raw.length ?? 0);
  }

  appendDrop(database: string, collection: string): void {
    this.push({ type: 'drop', sequence: 0, at: new Date(), database, collection });
  }

  get position(): number {
    return this.sequence;
  }

  /** Changes after a position, or null when some of them are no longer kept. */
  after(position: number): LoggedChange[] | null {
    const first = this.changes[0];
    if (
      position > this.sequence ||
      (first === undefined ? position < this.sequence : position < first.sequence - 1)
    )
      return null;
    if (first === undefined) return [];
    return this.changes.slice(position - first.sequence + 1);
  }

  /** Calls back once, at the next change. Returns a function that takes the request back. */
  onNext(callback: () => void): () => void {
    this.waiting.push(callback);
    return () => {
      this.waiting = this.waiting.filter((other) => other !== callback);
    };
  }

  private push(change: LoggedChange): void {
    change.sequence = ++this.sequence;
    this.changes.push(change);
    if (this.changes.length > maximumChanges || this.bytes > maximumBytes) this.dropOlderHalf();
    if (this.waiting.length > 0) for (const wake of this.waiting.splice(0)) wake();
  }

  private dropOlderHalf(): void {
    this.changes = this.changes.slice(Math.ceil(this.changes.length / 2));
    this.bytes = 0;
    for (const change of this.changes) {
      if (change.type === 'document')
        this.bytes += (change.before?.raw.length ?? 0) + (change.after?.raw.length ?? 0);
    }
  }
}
