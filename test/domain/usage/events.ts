import fc from 'fast-check';
import type { UsageEvent } from '../../../src/domain/usage/report.ts';

let lastRecordId = 0;

/** An accepted report that differs from the usual one as told. */
export function usageEvent(differences: Partial<UsageEvent> = {}): UsageEvent {
  lastRecordId += 1;
  return {
    record_id: lastRecordId,
    user_id: 12,
    received_at: Date.parse('2026-01-05T02:31:00.250Z'),
    at: Date.parse('2026-01-05T02:30:00Z'),
    timestamp_sent: true,
    image_count: 3,
    image_cost: 60_900,
    video_count: 1,
    video_cost: 6_400_000,
    total_cost: 6_460_900,
    ...differences,
  };
}

const anyMoney = fc.oneof(
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
);
const anyCount = fc.integer({ min: -2_147_483_647, max: 2_147_483_647 });

/** Reports of a few users around changes of the clocks, counter entries and enormous amounts among them. */
export const anyUsageEvent: fc.Arbitrary<UsageEvent> = fc
  .record({
    user_id: fc.integer({ min: 1, max: 3 }),
    at: fc
      .integer({
        min: Date.parse('2026-09-20T00:00:00Z') / 1_000,
        max: Date.parse('2026-11-10T00:00:00Z') / 1_000,
      })
      .map((seconds) => seconds * 1_000),
    received_at: fc.integer({ min: 0, max: Date.parse('2100-01-01T00:00:00Z') }),
    image_count: anyCount,
    image_cost: anyMoney,
    video_count: anyCount,
    video_cost: anyMoney,
    total_cost: anyMoney,
  })
  .map(usageEvent);
