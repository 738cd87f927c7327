import { type Connection, mongo } from 'mongoose';
import type { BusinessCalendar, CalendarUnit } from '../domain/time/businessCalendar.ts';
import { USAGE_AMOUNTS, type UsageTotals } from '../domain/usage/totals.ts';
import { usable } from '../runtime/mongo.ts';
import { toEvent, usageRecords } from './usage.ts';
import {
  BUCKETS_COLLECTION,
  type BucketDocument,
  bucketUpdates,
  toBucket,
  usageBuckets,
} from './usageBuckets.ts';
import { beginRebuild, endRebuild } from './usageTimeZone.ts';

const ROWS_AT_A_TIME = 2_000;
/** Sums that are made anew for comparison; nobody else reads them. */
const RECOUNT_COLLECTION = 'usage_buckets_recount';

/** The server's NamespaceNotFound. */
const NO_SUCH_COLLECTION = 26;

/** A stored sum that is not the sum of its rows. */
export interface Drift {
  readonly user_id: number;
  readonly unit: CalendarUnit;
  /** First instant of the period, in milliseconds. */
  readonly start: number;
  readonly field: keyof UsageTotals | 'last_received_at';
  readonly stored: bigint | number | undefined;
  readonly recounted: bigint | number | undefined;
}

export interface Recount {
  readonly rows: number;
  readonly buckets: number;
  /** The first ones; `drifted` counts all of them. */
  readonly drifts: readonly Drift[];
  readonly drifted: number;
  /** Rows came in while it was counted: a drift may be one of them only. */
  readonly disturbed: boolean;
}

export interface Rebuild {
  /** Of the new sums. */
  readonly recount: Recount;
  /** False when they are not right or something disturbed it: no process starts until a rebuild is released. */
  readonly released: boolean;
}

/**
 * Sums all rows anew, page by page, and compares the result with the stored sums. Reads every row: a command, not an
 * endpoint. It should run while no worker stores reports.
 *
 * @param mostDrifts - how many drifts are listed
 */
export async function recountUsage(
  connection: Connection,
  calendar: BusinessCalendar,
  mostDrifts: number,
): Promise<Recount> {
  const rowsBefore = await usageRecords(connection).countDocuments();
  await dropRecount(connection);
  try {
    const rows = await sumAllRows(connection, calendar, RECOUNT_COLLECTION);
    const compared = await compareBuckets(connection, mostDrifts);
    const rowsAfter = await usageRecords(connection).countDocuments();
    return { rows, ...compared, disturbed: rowsAfter !== rowsBefore };
  } finally {
    await dropRecount(connection);
  }
}

/**
 * Throws all stored sums away and makes them anew from the rows, cut in the calendar's zone. Nothing else may use them
 * meanwhile: processes refuse to start, and running ones have to be stopped before. The new sums are recounted, and only
 * released when they are right; interrupted or disturbed, a rebuild can be repeated.
 *
 * @param mostDrifts - how many drifts are listed
 */
export async function rebuildUsage(
  connection: Connection,
  calendar: BusinessCalendar,
  mostDrifts: number,
): Promise<Rebuild> {
  await beginRebuild(connection, calendar.timeZone);
  await usageBuckets(connection).deleteMany({});
  await sumAllRows(connection, calendar, BUCKETS_COLLECTION);
  const recount = await recountUsage(connection, calendar, mostDrifts);
  const released = recount.drifted === 0 && !recount.disturbed;
  if (released) await endRebuild(connection, calendar.timeZone);
  return { recount, released };
}

async function sumAllRows(connection: Connection, calendar: BusinessCalendar, into: string): Promise<number> {
  const sums = usable(connection).collection<BucketDocument>(into);
  let rows = 0;
  let last = 0;
  for (;;) {
    const page = await usageRecords(connection)
      .find({ _id: { $gt: last } }, { useBigInt64: true })
      .sort({ _id: 1 })
      .limit(ROWS_AT_A_TIME)
      .toArray();
    if (page.length === 0) return rows;
    const events = page.map(toEvent);
    await sums.bulkWrite(bucketUpdates(events, calendar), { ordered: false });
    rows += page.length;
    last = events.at(-1)?.record_id ?? last;
  }
}

/** Both lists in the order of their ids, side by side. */
async function compareBuckets(
  connection: Connection,
  mostDrifts: number,
): Promise<{ buckets: number; drifts: Drift[]; drifted: number }> {
  const stored = inOrder(connection, BUCKETS_COLLECTION);
  const recounted = inOrder(connection, RECOUNT_COLLECTION);
  const drifts: Drift[] = [];
  let drifted = 0;
  let buckets = 0;
  let left = await next(stored);
  let right = await next(recounted);
  while (left || right) {
    // Ids are ASCII, so that both sides order them alike.
    const id = !right || (left && left._id < right._id) ? left?._id : right._id;
    const onLeft = left?._id === id ? left : undefined;
    const onRight = right?._id === id ? right : undefined;
    const differences = compare(onLeft, onRight);
    buckets++;
    drifted += differences.length > 0 ? 1 : 0;
    drifts.push(...differences.slice(0, Math.max(0, mostDrifts - drifts.length)));
    if (onLeft) left = await next(stored);
    if (onRight) right = await next(recounted);
  }
  return { buckets, drifts, drifted };
}

function compare(left: BucketDocument | undefined, right: BucketDocument | undefined): Drift[] {
  const some = left ?? right;
  if (!some) return [];
  const { user_id, unit, start } = toBucket(some);
  const stored = left && toBucket(left);
  const recounted = right && toBucket(right);
  return [...USAGE_AMOUNTS, 'last_received_at' as const].flatMap((field) =>
    stored?.[field] === recounted?.[field]
      ? []
      : { user_id, unit, start, field, stored: stored?.[field], recounted: recounted?.[field] },
  );
}

function inOrder(connection: Connection, collection: string): AsyncIterator<BucketDocument> {
  return usable(connection)
    .collection<BucketDocument>(collection)
    .find({}, { useBigInt64: true, batchSize: ROWS_AT_A_TIME })
    .sort({ _id: 1 })
    [Symbol.asyncIterator]();
}

async function next(iterator: AsyncIterator<BucketDocument>): Promise<BucketDocument | undefined> {
  const result = await iterator.next();
  return result.done ? undefined : result.value;
}

async function dropRecount(connection: Connection): Promise<void> {
  await usable(connection)
    .dropCollection(RECOUNT_COLLECTION)
    .catch((error: unknown) => {
      const isMissing = error instanceof mongo.MongoServerError && error.code === NO_SUCH_COLLECTION;
      if (!isMissing) throw error;
    });
}
