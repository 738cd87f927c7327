import { type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { usageBuckets } from './usageBuckets.ts';

const COLLECTION = 'usage_time_zone';

/** The zone in which the stored hours, days and months were cut. One document. */
const timeZoneSchema = new Schema(
  {
    _id: { type: String, required: true },
    time_zone: { type: String, required: true },
    /** The sums are being made anew and must not be used or changed meanwhile. */
    rebuilding: { type: Boolean, required: true },
  },
  { collection: COLLECTION, versionKey: false, strict: 'throw' },
);

interface TimeZoneDocument {
  _id: string;
  time_zone: string;
  rebuilding: boolean;
}

/** The id of the one document. */
const BUCKETS = 'buckets';
const REBUILD = 'Stop all workers and web processes, run `npm run usage -- rebuild`, and start them again.';

/** The stored sums cannot be used with this BUSINESS_TIME_ZONE. */
export class UsageTimeZoneError extends Error {
  override name = 'UsageTimeZoneError';
}

export async function prepareUsageTimeZone(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageTimeZone', timeZoneSchema);
}

/**
 * Refuses a time zone that is not the one of the stored sums. The first process of an installation fixes the zone; it
 * changes freely as long as nothing is stored.
 *
 * @throws UsageTimeZoneError that names both zones and the way out
 */
export async function requireUsageTimeZone(connection: Connection, timeZone: string): Promise<void> {
  const stored = await zones(connection).findOneAndUpdate(
    { _id: BUCKETS },
    { $setOnInsert: { time_zone: timeZone, rebuilding: false } },
    { upsert: true, returnDocument: 'after' },
  );
  if (!stored) throw new Error('The time zone of the usage totals could not be read');
  if (stored.rebuilding) {
    throw new UsageTimeZoneError(
      `The usage totals are being rebuilt for ${stored.time_zone}, or a rebuild was interrupted. ${REBUILD}`,
    );
  }
  if (stored.time_zone === timeZone) return;
  if (await hasNoBuckets(connection)) {
    await zones(connection).updateOne({ _id: BUCKETS }, { $set: { time_zone: timeZone } });
    return;
  }
  throw new UsageTimeZoneError(
    `BUSINESS_TIME_ZONE is ${timeZone}, but the stored usage totals were cut in ${stored.time_zone}. ` +
      `Set it back to ${stored.time_zone}, or change the totals: ${REBUILD}`,
  );
}

/** Keeps every process from starting until `endRebuild`, also when the rebuild is interrupted. */
export async function beginRebuild(connection: Connection, timeZone: string): Promise<void> {
  await setZone(connection, timeZone, true);
}

export async function endRebuild(connection: Connection, timeZone: string): Promise<void> {
  await setZone(connection, timeZone, false);
}

async function setZone(connection: Connection, timeZone: string, rebuilding: boolean): Promise<void> {
  await zones(connection).updateOne(
    { _id: BUCKETS },
    { $set: { time_zone: timeZone, rebuilding } },
    { upsert: true },
  );
}

async function hasNoBuckets(connection: Connection): Promise<boolean> {
  return (await usageBuckets(connection).findOne({}, { projection: { _id: 1 } })) === null;
}

function zones(connection: Connection) {
  return usable(connection).collection<TimeZoneDocument>(COLLECTION);
}
