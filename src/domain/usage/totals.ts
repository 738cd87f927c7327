import type { BusinessCalendar, CalendarUnit } from '../time/businessCalendar.ts';
import type { UsageAmounts, UsageEvent } from './report.ts';

/** Exact sums. Costs are micro-units; bigint because totals may outgrow 2^53. */
export interface UsageTotals {
  readonly image_count: bigint;
  readonly image_cost: bigint;
  readonly video_count: bigint;
  readonly video_cost: bigint;
  readonly total_cost: bigint;
}

/** The sums of one user in one hour, day or month of the business zone. */
export interface UsageBucket extends UsageTotals {
  readonly user_id: number;
  readonly unit: CalendarUnit;
  /** First instant of the period, in milliseconds. */
  readonly start: number;
  /** Receipt of the newest report in it, in milliseconds. */
  readonly last_received_at: number;
}

export const USAGE_AMOUNTS = [
  'image_count',
  'image_cost',
  'video_count',
  'video_cost',
  'total_cost',
] as const satisfies readonly (keyof UsageAmounts)[];

export const NO_USAGE: UsageTotals = {
  image_count: 0n,
  image_cost: 0n,
  video_count: 0n,
  video_cost: 0n,
  total_cost: 0n,
};

export function addTotals(left: UsageTotals, right: UsageTotals): UsageTotals {
  return {
    image_count: left.image_count + right.image_count,
    image_cost: left.image_cost + right.image_cost,
    video_count: left.video_count + right.video_count,
    video_cost: left.video_cost + right.video_cost,
    total_cost: left.total_cost + right.total_cost,
  };
}

/** Stable name of a bucket: the same user, unit and period always meet in the same one. */
export function bucketId(bucket: { user_id: number; unit: CalendarUnit; start: number }): string {
  return `${bucket.user_id}:${bucket.unit}:${bucket.start / 1_000}`;
}

/** What the events add to the buckets of one unit, one entry for each bucket they touch. */
export function sumIntoBuckets(
  events: readonly UsageEvent[],
  unit: CalendarUnit,
  calendar: BusinessCalendar,
): UsageBucket[] {
  const [first] = events;
  // Most groups of single reports.
  if (first && events.length === 1) return [finished(firstOf(first, unit, calendar.startOf(unit, first.at)))];
  const sums = new Map<string, MutableBucket>();
  for (const event of events) {
    const start = calendar.startOf(unit, event.at);
    const key = `${event.user_id}:${start}`;
    const sum = sums.get(key);
    if (sum) addInto(sum, event);
    else sums.set(key, firstOf(event, unit, start));
  }
  return Array.from(sums.values(), finished);
}

/** The same sums in coarser buckets, or in those of the same unit as one each; hours fit into days, days into months. */
export function coarsen(
  buckets: readonly UsageBucket[],
  unit: CalendarUnit,
  calendar: BusinessCalendar,
): UsageBucket[] {
  const coarse = new Map<string, UsageBucket>();
  for (const bucket of buckets) {
    const moved = { ...bucket, unit, start: calendar.startOf(unit, bucket.start) };
    const id = bucketId(moved);
    const sum = coarse.get(id);
    coarse.set(id, sum ? mergeBuckets(sum, moved) : moved);
  }
  return [...coarse.values()];
}

/** Two buckets of the same user and period as one. */
export function mergeBuckets(left: UsageBucket, right: UsageBucket): UsageBucket {
  return {
    ...left,
    ...addTotals(left, right),
    last_received_at: Math.max(left.last_received_at, right.last_received_at),
  };
}

/** Plain numbers while summing, for speed. A sum that would leave the safe integers is carried on as a bigint. */
interface MutableBucket {
  user_id: number;
  unit: CalendarUnit;
  start: number;
  image_count: number | bigint;
  image_cost: number | bigint;
  video_count: number | bigint;
  video_cost: number | bigint;
  total_cost: number | bigint;
  last_received_at: number;
}

function firstOf(event: UsageEvent, unit: CalendarUnit, start: number): MutableBucket {
  return {
    user_id: event.user_id,
    unit,
    start,
    image_count: event.image_count,
    image_cost: event.image_cost,
    video_count: event.video_count,
    video_cost: event.video_cost,
    total_cost: event.total_cost,
    last_received_at: event.received_at,
  };
}

function addInto(sum: MutableBucket, event: UsageEvent): void {
  for (const amount of USAGE_AMOUNTS) sum[amount] = exactSum(sum[amount], event[amount]);
  if (event.received_at > sum.last_received_at) sum.last_received_at = event.received_at;
}

function finished(sum: MutableBucket): UsageBucket {
  return {
    user_id: sum.user_id,
    unit: sum.unit,
    start: sum.start,
    image_count: BigInt(sum.image_count),
    image_cost: BigInt(sum.image_cost),
    video_count: BigInt(sum.video_count),
    video_cost: BigInt(sum.video_cost),
    total_cost: BigInt(sum.total_cost),
    last_received_at: sum.last_received_at,
  };
}

function exactSum(left: number | bigint, right: number): number | bigint {
  if (typeof left === 'bigint') return left + BigInt(right);
  const sum = left + right;
  return Number.isSafeInteger(sum) ? sum : BigInt(left) + BigInt(right);
}
