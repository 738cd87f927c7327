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
  const alone = new Map<number, UsageEvent>();
  const ofUsers = new Map<number, [UsageEvent, ...UsageEvent[]]>();
  for (const event of events) {
    if (mayBeQueuedTwice(event)) {
      if (!alone.has(event.record_id)) alone.set(event.record_id, event);
      continue;
    }
    const ofUser = ofUsers.get(event.user_id);
    if (ofUser) ofUser.push(event);
    else ofUsers.set(event.user_id, [event]);
  }
  return [
    ...Array.from(ofUsers.values(), (group) => groupOf(group, calendar)),
    ...Array.from(alone.values(), (event) => groupOf([event], calendar)),
  ];
}

function groupOf(events: readonly [UsageEvent, ...UsageEvent[]], calendar: BusinessCalendar): PendingGroup {
  const [first] = events;
  return {
    user_id: first.user_id,
    representative: first.record_id,
    hours: sumIntoBuckets(events, 'hour', calendar),
    oldest_received_at: events.reduce(
      (oldest, event) => Math.min(oldest, event.received_at),
      first.received_at,
    ),
  };
}

export function mayBeQueuedTwice(event: UsageEvent): boolean {
  return event.event_id !== undefined || event.voids !== undefined;
}

/** The group as one line of JSON, for Redis. Put together by hand: `JSON.stringify` takes twice as long, for every report. */
export function encodePendingGroup(group: PendingGroup): string {
  const hours = group.hours.map(
    (hour) =>
      `[${hour.start},"${hour.image_count}","${hour.image_cost}","${hour.video_count}","${hour.video_cost}","${hour.total_cost}",${hour.last_received_at}]`,
  );
  return `[${group.oldest_received_at},[${hours.join(',')}]]`;
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
