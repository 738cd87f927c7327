import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { eventKey } from '../domain/usage/eventKey.ts';
import type { PendingGroup } from '../domain/usage/pending.ts';
import type { UsageEvent } from '../domain/usage/report.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction } from './transaction.ts';
import { bucketUpdates, usageBucketSchema, usageBuckets } from './usageBuckets.ts';
import { addToRelayOutbox } from './usageRelay.ts';

export const RECORDS_COLLECTION = 'usage_records';

/** Ids that one query asks for; all that wait may be more than fits into a message. */
const MOST_IDS_AT_A_TIME = 5_000;

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

export async function prepareUsage(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageRecord', recordSchema);
  await createMissing(connection, 'UsageBucket', usageBucketSchema);
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

export function usageRecords(connection: Connection) {
  return usable(connection).collection<RecordDocument>(RECORDS_COLLECTION);
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
    await usageBuckets(connection).bulkWrite(bucketUpdates(fresh, options.calendar), {
      session,
      ordered: false,
    });
    await usageRecords(connection).insertMany(fresh.map(toDocument), { session, ordered: false });
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
    const stored = usageRecords(connection).find(
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
  const stored = new Set<number>();
  const options = { ...(session ? { session } : {}), projection: { _id: 1 } };
  for (let start = 0; start < recordIds.length; start += MOST_IDS_AT_A_TIME) {
    const page = recordIds.slice(start, start + MOST_IDS_AT_A_TIME);
    for await (const document of usageRecords(connection).find({ _id: { $in: page } }, options)) {
      stored.add(document._id);
    }
  }
  return stored;
}

/** Those of the groups that are not stored: as the session sees it, or now. */
export async function groupsNotStored(
  connection: Connection,
  groups: readonly PendingGroup[],
  session?: ClientSession,
): Promise<PendingGroup[]> {
  const representatives = groups.map((group) => group.representative);
  const stored = await storedRecordIds(connection, representatives, session);
  return groups.filter((group) => !stored.has(group.representative));
}

/** The stored rows of these ids. */
export async function findRecords(
  connection: Connection,
  recordIds: readonly number[],
): Promise<UsageEvent[]> {
  const found = await usageRecords(connection)
    .find({ _id: { $in: [...recordIds] } }, { useBigInt64: true })
    .toArray();
  return found.map(toEvent);
}

/** The stored rows of these event keys, by key. */
export async function findRecordsByEventKey(
  connection: Connection,
  eventKeys: readonly string[],
): Promise<Map<string, UsageEvent>> {
  const found = await usageRecords(connection)
    .find({ event_key: { $in: [...eventKeys] } }, { useBigInt64: true })
    .toArray();
  return new Map(found.map((document) => [document.event_key ?? '', toEvent(document)]));
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
