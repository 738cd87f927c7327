import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { encodePost } from '../load/httpConnection.ts';

/** Those who report. */
export const SELLERS: readonly string[] = Array.from(
  { length: 100 },
  (_, index) => `seller.${index}@example.test`,
);

export const UPDATE_PATH = '/api/tools/update';
const BATCH_PATH = '/api/tools/update/batch';

/** Every report says the same, so that the sum of any number of them is known. Costs as the desktop client prints them. */
const AMOUNTS = {
  image_count: '3',
  image_cost: '0.0609',
  video_count: '1',
  video_cost: '6.40',
  total_cost: '6.4609',
} as const;

/** What each report adds to the totals; costs in micro-units. */
export const REPORTED = {
  image_count: 3,
  image_cost: 60_900,
  video_count: 1,
  video_cost: 6_400_000,
  total_cost: 6_460_900,
} as const;

const FORM_HEADERS = { 'Content-Type': 'application/x-www-form-urlencoded' } as const;

/** One form post of each seller. */
export function encodedReports(): Buffer[] {
  return SELLERS.map((userName) => encodePost(UPDATE_PATH, FORM_HEADERS, formOf(userName)));
}

/**
 * Posts of many reports each, as a JSON array, the sellers in turn.
 *
 * @param eventIds - begins the event id of each report, which no other report of the run may have; none without
 */
export function encodedBatches(
  adminApiKey: string,
  batches: number,
  eventsPerBatch: number,
  eventIds?: string,
): Buffer[] {
  const headers = { 'Content-Type': 'application/json', 'X-API-Key': adminApiKey };
  const timestamp = clientTimestamp();
  return Array.from({ length: batches }, (_, batch) => {
    const events = Array.from({ length: eventsPerBatch }, (_, index) => ({
      userName: sellerAt(index),
      ...AMOUNTS,
      timestamp,
      ...(eventIds === undefined ? {} : { event_id: `${eventIds}-${batch}-${index}` }),
    }));
    return encodePost(BATCH_PATH, headers, JSON.stringify(events));
  });
}

/** Events as they stand in the product's jobs. */
export function acceptedEvents(count: number, firstRecordId: number): UsageEvent[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) => ({
    record_id: firstRecordId + index,
    user_id: (index % SELLERS.length) + 1,
    received_at: now,
    at: now - (now % 1_000),
    timestamp_sent: true,
    ...REPORTED,
  }));
}

function formOf(userName: string): string {
  return new URLSearchParams({ userName, ...AMOUNTS, timestamp: clientTimestamp() }).toString();
}

function sellerAt(index: number): string {
  const seller = SELLERS[index % SELLERS.length];
  if (seller === undefined) throw new RangeError('There are no sellers');
  return seller;
}

/** ISO form with microseconds and without an offset, as the current desktop client sends it. */
function clientTimestamp(): string {
  return new Date().toISOString().replace('Z', '456');
}
