import type { ClientSession, Connection } from 'mongoose';
import type { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { type InstantRange, isWithin } from '../domain/time/instantRange.ts';
import type { PendingGroup } from '../domain/usage/pending.ts';
import { addTotals, coarsen, NO_USAGE, type UsageBucket, type UsageTotals } from '../domain/usage/totals.ts';
import { inTransaction } from './transaction.ts';
import { groupsNotStored } from './usage.ts';
import {
  findSeriesBuckets,
  findUserBuckets,
  type SeriesPageQuery,
  type SeriesPosition,
} from './usageBuckets.ts';
import type { UsagePending } from './usagePending.ts';

/**
 * Reads of what was accepted: stored or still queued, each report exactly once.
 *
 * Why it is exact: the waiting groups are read from Redis first, the totals from MongoDB afterwards, and the same
 * snapshot that gives the totals tells which of those groups are in them already. A report that was acknowledged before
 * the question is in the groups, or it was taken out of them because it is in MongoDB.
 */
export interface UsageReadDependencies {
  readonly connection: Connection;
  readonly pending: UsagePending;
  readonly calendar: BusinessCalendar;
}

export interface UserTotals {
  readonly totals: UsageTotals;
  /** Receipt of the user's newest report of all time, in milliseconds; absent without one. */
  readonly lastReceivedAt: number | undefined;
}

/**
 * What one user reported in a range, all time without one.
 *
 * Costs one bucket for each month since the user's first report, and one for each day at the edges of the range.
 *
 * @throws ServiceUnavailableError when Redis or MongoDB is away
 */
export async function readUserTotals(
  dependencies: UsageReadDependencies,
  userId: number,
  range: InstantRange | undefined,
): Promise<UserTotals> {
  const { connection, pending, calendar } = dependencies;
  const groups = await pending.ofUser(userId);
  return inTransaction(connection, async (session) => {
    const waiting = await hoursNotStored(connection, groups, session);
    const months = await findUserBuckets(connection, { userId, unit: 'month' }, session);
    const days: UsageBucket[] = [];
    for (const edge of range ? edgeDays(range, calendar) : []) {
      days.push(...(await findUserBuckets(connection, { userId, unit: 'day', range: edge }, session)));
    }
    const counted = [
      ...months.filter((month) => !range || isWholeMonthWithin(month, range, calendar)),
      ...days,
      ...waiting.filter((hour) => !range || isWithin(hour.start, range)),
    ];
    const received = [...months, ...waiting].map((bucket) => bucket.last_received_at);
    return {
      totals: counted.reduce<UsageTotals>(addTotals, NO_USAGE),
      lastReceivedAt: received.length > 0 ? received.reduce((newest, at) => Math.max(newest, at)) : undefined,
    };
  });
}

/** One page of a series, in order of period and user. */
export interface SeriesPage {
  readonly buckets: readonly UsageBucket[];
  /** Where the next page goes on; absent on the last one. */
  readonly next: SeriesPosition | undefined;
}

/**
 * A page of the sums by period and user.
 *
 * @throws ServiceUnavailableError when Redis or MongoDB is away
 */
export async function readSeries(
  dependencies: UsageReadDependencies,
  query: SeriesPageQuery,
): Promise<SeriesPage> {
  const { connection, pending, calendar } = dependencies;
  const groups =
    query.userId === undefined ? await pending.ofEverybody() : await pending.ofUser(query.userId);
  return inTransaction(connection, async (session) => {
    const waiting = await hoursNotStored(connection, groups, session);
    const stored = await findSeriesBuckets(connection, { ...query, limit: query.limit + 1 }, session);
    const inRange = waiting.filter((hour) => isWithin(hour.start, query));
    const asked = coarsen(inRange, query.unit, calendar).filter((bucket) => isBehind(bucket, query.after));
    const merged = coarsen([...stored, ...asked], query.unit, calendar).sort(byPeriodAndUser);
    const buckets = merged.slice(0, query.limit);
    const last = buckets.at(-1);
    return {
      buckets,
      next: merged.length > query.limit && last ? { start: last.start, user_id: last.user_id } : undefined,
    };
  });
}

async function hoursNotStored(
  connection: Connection,
  groups: readonly PendingGroup[],
  session: ClientSession,
): Promise<UsageBucket[]> {
  const waiting = await groupsNotStored(connection, groups, session);
  return waiting.flatMap((group) => group.hours);
}

/** The days of a range that are not part of a whole month within it. */
function edgeDays(range: InstantRange, calendar: BusinessCalendar): InstantRange[] {
  const monthOfFirst = calendar.startOf('month', range.first);
  const firstWhole = monthOfFirst === range.first ? range.first : calendar.addMonths(range.first, 1);
  const endWhole = calendar.startOf('month', range.end);
  if (firstWhole > endWhole) return [range];
  return [
    { first: range.first, end: firstWhole },
    { first: endWhole, end: range.end },
  ].filter((edge) => edge.first < edge.end);
}

function isWholeMonthWithin(month: UsageBucket, range: InstantRange, calendar: BusinessCalendar): boolean {
  return range.first <= month.start && calendar.addMonths(month.start, 1) <= range.end;
}

function isBehind(bucket: UsageBucket, position: SeriesPosition | undefined): boolean {
  if (!position || bucket.start > position.start) return true;
  return bucket.start === position.start && bucket.user_id > position.user_id;
}

function byPeriodAndUser(left: UsageBucket, right: UsageBucket): number {
  return left.start - right.start || left.user_id - right.user_id;
}
