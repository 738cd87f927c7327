import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { BusinessCalendar, CalendarUnit } from '../domain/time/businessCalendar.ts';
import { eventKey } from '../domain/usage/eventKey.ts';
import type { UsageEvent } from '../domain/usage/report.ts';
import { bucketId, coarsen, sumIntoBuckets, type UsageBucket } from '../domain/usage/totals.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction } from './transaction.ts';
import { addToRelayOutbox } from './usageRelay.ts';

export const RECORDS_COLLECTION = 'usage_records';
export const BUCKETS_COLLECTION = 'usage_buckets';

/** One row for each accepted report. Rows are never changed and never deleted. */
const recordSchema = new Schema(
  {
    _id: { type: Number, required: true },
    user_id: { type: Number, required: true },
    at: { type: Date, required: true },
    received_at: { type: Date, required: true },
    timestamp_sent: { type: Boolean, required: true },
    image_count: { type: Number, required: true },
    image_cost: { type: BigInt, required: true },
    video_count: { type: Number, required: true },
    video_cost: { type: BigInt, required: true },
    total_cost: { type: BigInt, required: true },
    event_id: String,
    voids: Number,
    event_key: String,
  },
  { collection: RECORDS_COLLECTION, versionKey: false, strict: 'throw' },
);
recordSchema.index(
  { event_key: 1 },
  { unique: true, partialFilterExpression: { event_key: { $exists: true } } },
);

/** Sums of a user's rows by hour, day and month, changed in the same transaction that inserts the rows. */
const bucketSchema = new Schema(
  {
    _id: { type: String, required: true },
    user_id: { type: Number, required: true },
    unit: { type: String, required: true },
    start: { type: Date, required: true },
    image_count: { type: BigInt, required: true },
    image_cost: { type: BigInt, required: true },
    video_count: { type: BigInt, required: true },
    video_cost: { type: BigInt, required: true },
    total_cost: { type: BigInt, required: true },
    last_received_at: { type: Date, required: true },
  },
  { collection: BUCKETS_COLLECTION, versionKey: false, strict: 'throw' },
);
bucketSchema.index({ user_id: 1, unit: 1, start: 1 });
bucketSchema.index({ unit: 1, start: 1, user_id: 1 });

export async function prepareUsage(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageRecord', recordSchema);
  await createMissing(connection, 'UsageBucket', bucketSchema);
}

export interface RecordDocument {
  _id: number;
  user_id: number;
  at: Date;
  received_at: Date;
  timestamp_sent: boolean;
  image_count: number;
  image_cost: bigint;
  video_count: number;
  video_cost: bigint;
  total_cost: bigint;
  event_id?: string;
  voids?: number;
  event_key?: string;
}

export interface BucketDocument {
  _id: string;
  user_id: number;
  unit: CalendarUnit;
  start: Date;
  image_count: bigint;
  image_cost: bigint;
  video_count: bigint;
  video_cost: bigint;
  total_cost: bigint;
  last_received_at: Date;
}

function records(connection: Connection) {
  return connection.collection<RecordDocument>(RECORDS_COLLECTION);
}

function buckets(connection: Connection) {
  return connection.collection<BucketDocument>(BUCKETS_COLLECTION);
}

/**
 * Stores the events and adds them to the totals, each exactly once however often it is offered: an event is counted in
 * the transaction that inserts its row, and its row can be inserted once.
 *
 * @returns how many of the events were new
 */
export async function storeUsageEvents(
  connection: Connection,
  events: readonly UsageEvent[],
  options: { readonly calendar: BusinessCalendar; readonly relay: boolean },
): Promise<number> {
  return inTransaction(connection, async (session) => {
    const fresh = await withoutStored(connection, events, session);
    if (fresh.length === 0) return 0;
    // The buckets come first: they are what concurrent transactions collide on, and a collision then costs least.
    await buckets(connection).bulkWrite(bucketUpdates(fresh, options.calendar), { session, ordered: false });
    await records(connection).insertMany(fresh.map(toDocument), { session, ordered: false });
    if (options.relay) await addToRelayOutbox(connection, fresh, session);
    return fresh.length;
  });
}

async function withoutStored(
  connection: Connection,
  events: readonly UsageEvent[],
  session: ClientSession,
): Promise<UsageEvent[]> {
  const keys = events.flatMap((event) => eventKey(event) ?? []);
  const seenIds = await storedRecordIds(
    connection,
    events.map((event) => event.record_id),
    session,
  );
  const seenKeys = new Set<string>();
  if (keys.length > 0) {
    const stored = records(connection).find(
      { event_key: { $in: keys } },
      { session, projection: { event_key: 1 } },
    );
    for await (const document of stored) if (document.event_key) seenKeys.add(document.event_key);
  }
  return events.filter((event) => {
    const key = eventKey(event);
    if (seenIds.has(event.record_id) || (key !== undefined && seenKeys.has(key))) return false;
    seenIds.add(event.record_id);
    if (key !== undefined) seenKeys.add(key);
    return true;
  });
}

/** Which of the records are stored: as the session sees it, or now. */
export async function storedRecordIds(
  connection: Connection,
  recordIds: readonly number[],
  session?: ClientSession,
): Promise<Set<number>> {
  if (recordIds.length === 0) return new Set();
  const stored = await records(connection)
    .find({ _id: { $in: [...recordIds] } }, { ...(session ? { session } : {}), projection: { _id: 1 } })
    .toArray();
  return new Set(stored.map((document) => document._id));
}

/** The stored rows of these ids. */
export async function findRecords(
  connection: Connection,
  recordIds: readonly number[],
): Promise<UsageEvent[]> {
  const found = await records(connection)
    .find({ _id: { $in: [...recordIds] } }, { useBigInt64: true })
    .toArray();
  return found.map(toEvent);
}

/** The stored rows of these event keys, by key. */
export async function findRecordsByEventKey(
  connection: Connection,
  eventKeys: readonly string[],
): Promise<Map<string, UsageEvent>> {
  const found = await records(connection)
    .find({ event_key: { $in: [...eventKeys] } }, { useBigInt64: true })
    .toArray();
  return new Map(found.map((document) => [document.event_key ?? '', toEvent(document)]));
}

/** Buckets of one user in a range, in order of time. `first` is within, `end` is not. */
export async function findUserBuckets(
  connection: Connection,
  query: { userId: number; unit: CalendarUnit; first?: number | undefined; end?: number | undefined },
  session: ClientSession,
): Promise<UsageBucket[]> {
  const found = await buckets(connection)
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
    buckets(connection)
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
          image_cost: bucket.image_cost,
          video_count: bucket.video_count,
          video_cost: bucket.video_cost,
          total_cost: bucket.total_cost,
        },
        $max: { last_received_at: new Date(bucket.last_received_at) },
        $setOnInsert: { user_id: bucket.user_id, unit: bucket.unit, start: new Date(bucket.start) },
      },
      upsert: true,
    },
  }));
}

function toDocument(event: UsageEvent): RecordDocument {
  const key = eventKey(event);
  return {
    _id: event.record_id,
    user_id: event.user_id,
    at: new Date(event.at),
    received_at: new Date(event.received_at),
    timestamp_sent: event.timestamp_sent,
    image_count: event.image_count,
    image_cost: BigInt(event.image_cost),
    video_count: event.video_count,
    video_cost: BigInt(event.video_cost),
    total_cost: BigInt(event.total_cost),
    ...(event.event_id === undefined ? {} : { event_id: event.event_id }),
    ...(event.voids === undefined ? {} : { voids: event.voids }),
    ...(key === undefined ? {} : { event_key: key }),
  };
}

export function toEvent(document: RecordDocument): UsageEvent {
  return {
    record_id: Number(document._id),
    user_id: Number(document.user_id),
    at: document.at.getTime(),
    received_at: document.received_at.getTime(),
    timestamp_sent: document.timestamp_sent,
    image_count: Number(document.image_count),
    image_cost: Number(document.image_cost),
    video_count: Number(document.video_count),
    video_cost: Number(document.video_cost),
    total_cost: Number(document.total_cost),
    event_id: document.event_id,
    voids: document.voids === undefined ? undefined : Number(document.voids),
  };
}

export function toBucket(document: BucketDocument): UsageBucket {
  return {
    user_id: Number(document.user_id),
    unit: document.unit,
    start: document.start.getTime(),
    image_count: BigInt(document.image_count),
    image_cost: BigInt(document.image_cost),
    video_count: BigInt(document.video_count),
    video_cost: BigInt(document.video_cost),
    total_cost: BigInt(document.total_cost),
    last_received_at: document.last_received_at.getTime(),
  };
}
