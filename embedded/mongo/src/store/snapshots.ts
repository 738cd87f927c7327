import type { Collection } from './collection.ts';
import type { IndexEntry, StoredRecord } from './record.ts';

interface Superseded {
  at: number;
  collection: Collection;
  record: StoredRecord;
  stale: IndexEntry[];
}

/** A reader's claim on the state as of `timestamp`; the states it can see are kept until it is released. */
export interface Snapshot {
  readonly timestamp: number;
}

/** Keeps superseded versions, and their index entries, exactly as long as an open snapshot can see them. */
export class Snapshots {
  private readonly open = new Set<Snapshot>();
  private superseded: Superseded[] = [];
  private oldest = Number.POSITIVE_INFINITY;

  acquire(timestamp: number): Snapshot {
    const snapshot = { timestamp };
    this.open.add(snapshot);
    this.oldest = Math.min(this.oldest, timestamp);
    return snapshot;
  }

  release(snapshot: Snapshot): void {
    if (!this.open.delete(snapshot) || snapshot.timestamp > this.oldest) return;
    this.oldest = Number.POSITIVE_INFINITY;
    for (const { timestamp } of this.open) this.oldest = Math.min(this.oldest, timestamp);
    this.prune();
  }

  /** Whether a state that ended at `until` could still be read. */
  needsStateBefore(until: number): boolean {
    return this.oldest < until;
  }

  retain(collection: Collection, record: StoredRecord, stale: IndexEntry[], at: number): void {
    this.superseded.push({ at, collection, record, stale });
  }

  private prune(): void {
    let index = 0;
    for (; index < this.superseded.length; index++) {
      const entry = this.superseded[index];
      if (entry === undefined || entry.at > this.oldest) break;
      const { record, collection, stale } = entry;
      const kept = (record.superseded ?? []).filter(({ until }) => until > this.oldest);
      record.superseded = kept.length === 0 ? null : kept;
      collection.dropStaleEntries(record, stale);
      collection.forgetIfGone(record);
    }
    if (index > 0) this.superseded = this.superseded.slice(index);
  }
}
