import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BusinessCalendar, type CalendarUnit } from '../../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../../src/domain/usage/report.ts';
import {
  addTotals,
  bucketId,
  coarsen,
  mergeBuckets,
  NO_USAGE,
  sumIntoBuckets,
  type UsageBucket,
} from '../../../src/domain/usage/totals.ts';
import { WallClockReader } from '../time/wallClockReader.ts';
import { anyUsageEvent, usageEvent } from './events.ts';

const ZONES = ['Asia/Ho_Chi_Minh', 'America/New_York', 'Australia/Lord_Howe', 'Europe/Berlin'];
const manyEvents = fc.array(anyUsageEvent, { maxLength: 60 });
const manyInTwoOrders = manyEvents.chain((events) =>
  fc.tuple(
    fc.constant(events),
    fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
  ),
);

describe.each(ZONES)('%s', (zone) => {
  const calendar = new BusinessCalendar(zone);

  test.each(['hour', 'day', 'month'] as const)(
    'the sums of each %s are those of adding one by one, in any order',
    (unit) => {
      fc.assert(
        fc.property(manyInTwoOrders, ([events, inAnotherOrder]) => {
          const expected = sumOneByOne(events, unit, calendar);
          expect(byId(sumIntoBuckets(events, unit, calendar))).toEqual(expected);
          expect(byId(sumIntoBuckets(inAnotherOrder, unit, calendar))).toEqual(expected);
        }),
      );
    },
  );

  test('days and months made of hours are those of the events themselves', () => {
    fc.assert(
      fc.property(manyEvents, (events) => {
        const hours = sumIntoBuckets(events, 'hour', calendar);
        const days = coarsen(hours, 'day', calendar);
        expect(byId(days)).toEqual(byId(sumIntoBuckets(events, 'day', calendar)));
        const months = byId(sumIntoBuckets(events, 'month', calendar));
        expect(byId(coarsen(hours, 'month', calendar))).toEqual(months);
        expect(byId(coarsen(days, 'month', calendar))).toEqual(months);
      }),
    );
  });

  test('a day bucket holds what Intl reads as that day', () => {
    const reader = new WallClockReader(zone);
    fc.assert(
      fc.property(manyEvents, (events) => {
        for (const bucket of sumIntoBuckets(events, 'day', calendar)) {
          const day = reader.text(bucket.start).slice(0, 10);
          const sum = events
            .filter((event) => event.user_id === bucket.user_id && reader.text(event.at).startsWith(day))
            .reduce((total, event) => total + BigInt(event.total_cost), 0n);
          expect(bucket.total_cost).toBe(sum);
        }
      }),
    );
  });

  test('buckets of two halves merge into the buckets of the whole', () => {
    fc.assert(
      fc.property(manyEvents, manyEvents, (some, others) => {
        const merged = new Map(byId(sumIntoBuckets(some, 'hour', calendar)));
        for (const bucket of sumIntoBuckets(others, 'hour', calendar)) {
          const other = merged.get(bucketId(bucket));
          merged.set(bucketId(bucket), other ? mergeBuckets(other, bucket) : bucket);
        }
        expect(merged).toEqual(byId(sumIntoBuckets([...some, ...others], 'hour', calendar)));
      }),
    );
  });
});

test('sums beyond 2^53 stay exact, and come back from there', () => {
  const largest = usageEvent({ image_cost: Number.MAX_SAFE_INTEGER });
  const counter = usageEvent({ image_cost: -Number.MAX_SAFE_INTEGER });
  const small = usageEvent({ image_cost: 1 });
  const calendar = new BusinessCalendar('UTC');
  const [sum] = sumIntoBuckets([largest, largest, largest, small], 'hour', calendar);
  expect(sum?.image_cost).toBe(BigInt(Number.MAX_SAFE_INTEGER) * 3n + 1n);
  const [back] = sumIntoBuckets([largest, largest, small, counter, counter], 'hour', calendar);
  expect(back?.image_cost).toBe(1n);
});

test('nothing adds up to nothing', () => {
  const calendar = new BusinessCalendar('UTC');
  expect(sumIntoBuckets([], 'day', calendar)).toEqual([]);
  expect(coarsen([], 'month', calendar)).toEqual([]);
  expect(addTotals(NO_USAGE, NO_USAGE)).toEqual(NO_USAGE);
});

test('a bucket is named by its user, its unit and its start in seconds', () => {
  expect(bucketId({ user_id: 12, unit: 'day', start: Date.parse('2026-01-05T00:00:00Z') })).toBe(
    '12:day:1767571200',
  );
});

function sumOneByOne(
  events: readonly UsageEvent[],
  unit: CalendarUnit,
  calendar: BusinessCalendar,
): Map<string, UsageBucket> {
  const sums = new Map<string, UsageBucket>();
  for (const event of events) {
    const bucket = { user_id: event.user_id, unit, start: calendar.startOf(unit, event.at) };
    const before = sums.get(bucketId(bucket)) ?? { ...bucket, ...NO_USAGE, last_received_at: 0 };
    sums.set(bucketId(bucket), {
      ...bucket,
      image_count: before.image_count + BigInt(event.image_count),
      image_cost: before.image_cost + BigInt(event.image_cost),
      video_count: before.video_count + BigInt(event.video_count),
      video_cost: before.video_cost + BigInt(event.video_cost),
      total_cost: before.total_cost + BigInt(event.total_cost),
      last_received_at: Math.max(before.last_received_at, event.received_at),
    });
  }
  return sums;
}

function byId(buckets: readonly UsageBucket[]): Map<string, UsageBucket> {
  const named = new Map(buckets.map((bucket) => [bucketId(bucket), bucket]));
  expect(named.size).toBe(buckets.length);
  return named;
}
