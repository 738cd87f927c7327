import { z } from 'zod';
import { countNumber, moneyNumber } from '../../../domain/money/jsonNumber.ts';
import type { BusinessCalendar } from '../../../domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../../domain/usage/report.ts';

/** The stored values of a report as the contract prints them: exact JSON numbers, wall clock of the business zone. */
export function loggedData(event: UsageEvent, calendar: BusinessCalendar) {
  return {
    image_count: countNumber(event.image_count),
    image_cost: moneyNumber(event.image_cost),
    video_count: countNumber(event.video_count),
    video_cost: moneyNumber(event.video_cost),
    total_cost: moneyNumber(event.total_cost),
    timestamp: calendar.wallClockText(event.at),
  };
}

export const LoggedData = z
  .object({
    image_count: z.int(),
    image_cost: z.number(),
    video_count: z.int(),
    video_cost: z.number(),
    total_cost: z.number(),
    timestamp: z.string().meta({ example: '2026-01-05 09:30:00' }),
  })
  .meta({ id: 'LoggedData' });
