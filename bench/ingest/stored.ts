import { RECORDS_COLLECTION } from '../../src/models/usage.ts';
import { BUCKETS_COLLECTION } from '../../src/models/usageBuckets.ts';
import { REPORTED } from '../stage/reports.ts';
import type { Stage } from '../stage/stage.ts';

/** What the product has in MongoDB is not what was reported. */
export class NotStoredError extends Error {
  override name = 'NotStoredError';
}

/** Forgets all reports; the worker makes the collections anew when it starts. */
export async function dropStored({ db }: Stage): Promise<void> {
  await db.collection(RECORDS_COLLECTION).drop();
  await db.collection(BUCKETS_COLLECTION).drop();
}

/**
 * Checks that every event has its row, and that the totals of all sellers are the exact sums.
 *
 * @throws NotStoredError
 */
export async function requireStored({ db }: Stage, events: number): Promise<void> {
  const rows = await db.collection(RECORDS_COLLECTION).countDocuments();
  if (rows !== events) throw new NotStoredError(`${rows} rows are stored, ${events} events were accepted`);
  for (const unit of ['hour', 'day', 'month']) {
    const buckets = await db.collection(BUCKETS_COLLECTION).find({ unit }, { useBigInt64: true }).toArray();
    for (const [field, each] of Object.entries(REPORTED)) {
      const sum = buckets.reduce((total, bucket) => total + BigInt(String(bucket[field])), 0n);
      const expected = BigInt(each) * BigInt(events);
      if (sum !== expected) {
        throw new NotStoredError(`The ${field} of all ${unit} totals is ${sum}, reported was ${expected}`);
      }
    }
  }
}
