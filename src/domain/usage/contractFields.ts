import { formatMicros } from '../money/micros.ts';
import type { BusinessCalendar } from '../time/businessCalendar.ts';
import type { UsageEvent } from './report.ts';

/** A report as the contract's form says it: exact decimals, at least four places for images and totals, two for videos. */
export interface ContractFields {
  readonly userName: string;
  readonly image_count: string;
  readonly image_cost: string;
  readonly video_count: string;
  readonly video_cost: string;
  readonly total_cost: string;
  /** Wall clock of the business zone, `YYYY-MM-DD HH:MM:SS`. */
  readonly timestamp: string;
}

/** @param userName - in the stored spelling */
export function contractFields(
  event: UsageEvent,
  userName: string,
  calendar: BusinessCalendar,
): ContractFields {
  return {
    userName,
    image_count: String(event.image_count),
    image_cost: formatMicros(event.image_cost, 4),
    video_count: String(event.video_count),
    video_cost: formatMicros(event.video_cost, 2),
    total_cost: formatMicros(event.total_cost, 4),
    timestamp: calendar.wallClockText(event.at),
  };
}
