import { findMatches } from '../query/find.ts';
import { latestView } from '../store/record.ts';
import type { Store } from '../store/store.ts';
import { removeDocument } from '../store/writes.ts';
import { LockWait } from '../transactions/transaction.ts';

const deletionsPerPass = 1000;

/** Deletes what TTL indexes say is over; what a transaction holds is left for the next pass. */
export function deleteExpired(store: Store, now: number): void {
  for (const collections of store.databases.values()) {
    for (const collection of collections.values()) {
      for (const { specification, fields, partial } of collection.indexes) {
        const [field] = fields;
        if (specification.expireAfterSeconds === undefined || field === undefined) continue;
        const before = new Date(now - specification.expireAfterSeconds * 1000);
        const filter = { [field.path]: { $lte: before } };
        for (const { record, version } of findMatches(
          collection,
          { filter, limit: deletionsPerPass, hint: specification.name },
          latestView,
        )) {
          if (partial !== null && !partial(version.document)) continue;
          try {
            removeDocument(store, collection, record, null);
          } catch (error) {
            if (!(error instanceof LockWait)) throw error;
          }
        }
      }
    }
  }
}
