import { type ClientSession, type Connection, mongo, Schema } from 'mongoose';
import type { BusinessCalendar, CalendarUnit } from '../domain/time/businessCalendar.ts';
import type { InstantRange } from '../domain/time/instantRange.ts';
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

/** Buckets of one user, in a range or of all time, in order of time. */
export async function findUserBuckets(
  connection: Connection,
  query: { readonly userId: number; readonly unit: CalendarUnit; readonly range?: InstantRange | undefined },
  session: ClientSession,
): Promise<UsageBucket[]> {
  const { userId, unit, range } = query;
  const found = await usageBuckets(connection)
    .find({ user_id: userId, unit, ...(range ? startWithin(range) : {}) }, { session, useBigInt64: true })
    .sort({ start: 1 })
    .toArray();
  return found.map(toBucket);
}

/** Where a page of a series goes on: behind this user's bucket of this period. */
export interface SeriesPosition {
  readonly start: number;
  readonly user_id: number;
}

/** Which page of which series. */
export interface SeriesPageQuery extends InstantRange {
  readonly unit: CalendarUnit;
  /** Everybody without it. */
  readonly userId?: number | undefined;
  readonly after?: SeriesPosition | undefined;
  readonly limit: number;
}

/** A page of the buckets of everybody or of one user, by period, then by user. */
export async function findSeriesBuckets(
  connection: Connection,
  query: SeriesPageQuery,
  session: ClientSession,
): Promise<UsageBucket[]> {
  const found: BucketDocument[] = [];
  for (const filter of filtersOf(query)) {
    const left = query.limit - found.length;
    if (left === 0) break;
    const page = await usageBuckets(connection)
      .find({ unit: query.unit, ...filter }, { session, useBigInt64: true })
      .sort({ start: 1, user_id: 1 })
      .limit(left)
      .toArray();
    found.push(...page);
  }
  return found.map(toBucket);
}

/** What a series consists of from its cursor on: the rest of the cursor's period, then the later ones. */
function filtersOf({ first, end, userId, after }: SeriesPageQuery): object[] {
  const ofUser = userId === undefined ? {} : { user_id: userId };
  // A cursor says only where to go on; the range and the user may be others than when it was given out.
  if (!after || after.start < first) return [{ ...ofUser, ...startWithin({ first, end }) }];
  const later = { ...ofUser, start: { $gt: new Date(after.start), $lt: new Date(end) } };
  const isPeriodOver = after.start >= end || (userId !== undefined && userId <= after.user_id);
  if (isPeriodOver) return [later];
  return [{ start: new Date(after.start), user_id: userId ?? { $gt: after.user_id } }, later];
}

function startWithin({ first, end }: InstantRange) {
  return { start: { $gte: new Date(first), $lt: new Date(end) } };
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
