import { z } from 'zod';
import type { BusinessCalendar } from '../time/businessCalendar.ts';
import type { UsageEvent } from './report.ts';
import { sumIntoBuckets, type UsageBucket } from './totals.ts';

/**
 * Accepted events of one user that are not in MongoDB yet. They are stored all together or not at all, so the record
 * `representative` tells for the whole group: once that record is stored, all of the group is in the totals.
 */
export interface PendingGroup {
  readonly user_id: number;
  readonly representative: number;
  readonly hours: readonly UsageBucket[];
  /** Receipt of the oldest event, in milliseconds: what came later for this user waits for it where order counts. */
  readonly oldest_received_at: number;
}

/**
 * Groups the events of one job. An event that may be queued twice (one with an id of its sender's, whose repeat may
 * queue it again, and a counter entry) stands alone under its record id, so that it never counts twice, be it in two
 * jobs or in one: repeats that come at the same moment share a job.
 */
export function groupPending(events: readonly UsageEvent[], calendar: BusinessCalendar): PendingGroup[] {
  const groups = new Map<string, UsageEvent[]>();
  for (const event of events) {
    const alone = mayBeQueuedTwice(event);
    const key = alone ? `record ${event.record_id}` : `user ${event.user_id}`;
    const group = groups.get(key);
    if (!group) groups.set(key, [event]);
    else if (!alone) group.push(event);
  }
  return [...groups.values()].flatMap((group) => {
    const first = group[0];
    if (!first) return [];
    return {
      user_id: first.user_id,
      representative: first.record_id,
      hours: sumIntoBuckets(group, 'hour', calendar),
      oldest_received_at: group.reduce(
        (oldest, event) => Math.min(oldest, event.received_at),
        first.received_at,
      ),
    };
  });
}

export function mayBeQueuedTwice(event: UsageEvent): boolean {
  return event.event_id !== undefined || event.voids !== undefined;
}

/** The group as one line of text, for Redis. */
export function encodePendingGroup(group: PendingGroup): string {
  return JSON.stringify([
    group.oldest_received_at,
    group.hours.map((hour) => [
      hour.start,
      String(hour.image_count),
      String(hour.image_cost),
      String(hour.video_count),
      String(hour.video_cost),
      String(hour.total_cost),
      hour.last_received_at,
    ]),
  ]);
}

const integerText = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);
const encodedHour = z.tuple([
  z.number(),
  integerText,
  integerText,
  integerText,
  integerText,
  integerText,
  z.number(),
]);
const encodedGroup = z.tuple([z.number(), z.array(encodedHour)]);

/** @throws ZodError when the text was not written by `encodePendingGroup` */
export function decodePendingGroup(userId: number, representative: number, text: string): PendingGroup {
  const [oldestReceivedAt, hours] = encodedGroup.parse(JSON.parse(text));
  return {
    user_id: userId,
    representative,
    oldest_received_at: oldestReceivedAt,
    hours: hours.map(([start, imageCount, imageCost, videoCount, videoCost, totalCost, lastReceivedAt]) => ({
      user_id: userId,
      unit: 'hour',
      start,
      image_count: imageCount,
      image_cost: imageCost,
      video_count: videoCount,
      video_cost: videoCost,
      total_cost: totalCost,
      last_received_at: lastReceivedAt,
    })),
  };
}
