import type { UsageEvent } from '../../src/domain/usage/report.ts';

/** An accepted report of one image by user 1, where it does not matter what it says. */
export function usageEvent(recordId: number): UsageEvent {
  return {
    record_id: recordId,
    user_id: 1,
    received_at: 1_767_000_000_000,
    at: 1_767_000_000_000,
    timestamp_sent: false,
    image_count: 1,
    image_cost: 0,
    video_count: 0,
    video_cost: 0,
    total_cost: 0,
  };
}
