import { type ClientSession, type Connection, mongo, Schema } from 'mongoose';
import type { BusinessCalendar, CalendarUnit } from '../domain/time/businessCalendar.ts';
import type { UsageEvent } from '../domain/usage/report.ts';
import { bucketId, coarsen, sumIntoBuckets, type UsageBucket } from '../domain/usage/totals.ts';
import { usable } from '../runtime/mongo.ts';

export const BUCKETS_COLLECTION = 'usage_buckets';

/**
 * Sums of a user's rows by hour, day and month, changed in the same transaction that inserts the rows. Costs are whole
 * micro-units as Decimal128: a thousand reports of the largest cost would overflow 64 bits, and anybody may send them.
 */
export const usageBucketSchema = new Schema(
  {
    _id: { type: String, required: true },
    user_id: { type: Number, required: true },
    unit: { type: String, required: true },
    start: { type: Date, required: true },
    image_count: { type: BigInt, required: true },
    image_cost: { type: Schema.Types.Decimal128, required: true },
    video_count: { type: BigInt, required: true },
    video_cost: { type: Schema.Types.Decimal128, required: true },
    total_cost: { type: Schema.Types.Decimal128, required: true },
    last_received_at: { type: Date, required: true },
  },
  { collection: BUCKETS_COLLECTION, versionKey: false, strict: 'throw' },
);
usageBucketSchema.index({ user_id: 1, unit: 1, start: 1 });
usageBucketSchema.index({ unit: 1, start: 1, user_id: 1 });

export interface BucketDocument {
  _id: string;
  user_id: number;
  unit: CalendarUnit;
  start: Date;
  image_count: bigint;
  image_cost: mongo.Decimal128;
  video_count: bigint;
  video_cost: mongo.Decimal128;
  total_cost: mongo.Decimal128;
  last_received_at: Date;
}

export function usageBuckets(connection: Connection) {
  return usable(connection).collection<BucketDocument>(BUCKETS_COLLECTION);
}

/** Buckets of one user in a range, in order of time. `first` is within, `end` is not. */
export async function findUserBuckets(
  connection: Connection,
  query: { userId: number; unit: CalendarUnit; first?: number | undefined; end?: number | undefined },
  session: ClientSession,
): Promise<UsageBucket[]> {
  const found = await usageBuckets(connection)
    .find(
      { user_id: query.userId, unit: query.unit, ...startBetween(query.first, query.end) },
      { session, useBigInt64: true },
    )
    .sort({ start: 1 })
    .toArray();
  return found.map(toBucket);
}

/** Where a page of a series goes on: behind this user's bucket of this period. */
export interface SeriesPosition {
  readonly start: number;
  readonly user_id: number;
}

/** A page of the buckets of everybody or of one user, by period, then by user. */
export async function findSeriesBuckets(
  connection: Connection,
  query: {
    unit: CalendarUnit;
    first: number;
    end: number;
    userId?: number | undefined;
    after?: SeriesPosition | undefined;
    limit: number;
  },
  session: ClientSession,
): Promise<UsageBucket[]> {
  const user = query.userId === undefined ? {} : { user_id: query.userId };
  const page = (filter: object, limit: number) =>
    usageBuckets(connection)
      .find({ unit: query.unit, ...filter }, { session, useBigInt64: true })
      .sort({ start: 1, user_id: 1 })
      .limit(limit)
      .toArray();
  // A cursor says only where to go on; the range and the user may be others than when it was given out.
  const { after } = query;
  if (!after || after.start < query.first) {
    return (await page({ ...user, ...startBetween(query.first, query.end) }, query.limit)).map(toBucket);
  }
  const usersBehind = query.userId === undefined || query.userId > after.user_id;
  const samePeriod =
    usersBehind && after.start < query.end
      ? await page(
          { start: new Date(after.start), user_id: query.userId ?? { $gt: after.user_id } },
          query.limit,
        )
      : [];
  const left = query.limit - samePeriod.length;
  const later = { start: { $gt: new Date(after.start), $lt: new Date(query.end) } };
  const laterPeriods = left > 0 ? await page({ ...user, ...later }, left) : [];
  return [...samePeriod, ...laterPeriods].map(toBucket);
}

function startBetween(first: number | undefined, end: number | undefined): object {
  if (first === undefined && end === undefined) return {};
  return {
    start: {
      ...(first === undefined ? {} : { $gte: new Date(first) }),
      ...(end === undefined ? {} : { $lt: new Date(end) }),
    },
  };
}

/** What adds the events to the sums of every unit. */
export function bucketUpdates(events: readonly UsageEvent[], calendar: BusinessCalendar) {
  const hours = sumIntoBuckets(events, 'hour', calendar);
  const days = coarsen(hours, 'day', calendar);
  const months = coarsen(days, 'month', calendar);
  return [...hours, ...days, ...months].map((bucket) => ({
    updateOne: {
      filter: { _id: bucketId(bucket) },
      update: {
        $inc: {
          image_count: bucket.image_count,
          image_cost: decimal(bucket.image_cost),
          video_count: bucket.video_count,
          video_cost: decimal(bucket.video_cost),
          total_cost: decimal(bucket.total_cost),
        },
        $max: { last_received_at: new Date(bucket.last_received_at) },
        $setOnInsert: { user_id: bucket.user_id, unit: bucket.unit, start: new Date(bucket.start) },
      },
      upsert: true,
    },
  }));
}

export function toBucket(document: BucketDocument): UsageBucket {
  return {
    user_id: Number(document.user_id),
    unit: document.unit,
    start: document.start.getTime(),
    image_count: BigInt(document.image_count),
    image_cost: BigInt(document.image_cost.toString()),
    video_count: BigInt(document.video_count),
    video_cost: BigInt(document.video_cost.toString()),
    total_cost: BigInt(document.total_cost.toString()),
    last_received_at: document.last_received_at.getTime(),
  };
}

/** A whole number of up to 34 digits is exact. */
function decimal(micros: bigint): mongo.Decimal128 {
  return mongo.Decimal128.fromString(micros.toString());
}
