import type { BusinessCalendar, WallClock } from './businessCalendar.ts';

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?$/;
/** Moments whose year has four digits and is no special case of Date.UTC, on whatever wall clock they are read. */
const EARLIEST = Date.UTC(100, 0, 2);
const LATEST = Date.UTC(9999, 11, 31);
const DAY_TEXT = /^(\d{4})-(\d{2})-(\d{2})$/;

/**
 * Reads `YYYY-MM-DD HH:MM:SS` or the ISO form with `T`, an optional fraction and an optional offset. Without an offset
 * it is wall clock of the business zone. The fraction is cut off.
 *
 * @returns milliseconds since 1970 UTC, or nothing when it is no such text or no real date
 */
export function parseTimestamp(text: string, calendar: BusinessCalendar): number | undefined {
  const match = TIMESTAMP.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, offset] = match;
  const wall: WallClock = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
  };
  if (!isReal(wall)) return undefined;
  if (offset === undefined) return calendar.instantOf(wall);
  const minutes = offsetMinutes(offset);
  if (minutes === undefined) return undefined;
  const instant =
    Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second) - minutes * 60_000;
  return instant >= EARLIEST && instant < LATEST ? instant : undefined;
}

/**
 * Reads `YYYY-MM-DD` as a day of the business zone.
 *
 * @returns its first instant, or nothing when it is no real date
 */
export function parseDay(text: string, calendar: BusinessCalendar): number | undefined {
  const match = DAY_TEXT.exec(text);
  if (!match) return undefined;
  const wall = {
    year: Number(match[1]),
    month: Number(match[2]),
    day: Number(match[3]),
    hour: 0,
    minute: 0,
    second: 0,
  };
  return isReal(wall) ? calendar.instantOf(wall) : undefined;
}

function isReal(wall: WallClock): boolean {
  if (wall.hour > 23 || wall.minute > 59 || wall.second > 59) return false;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  if (wall.year < 100) return false;
  const date = new Date(Date.UTC(wall.year, wall.month - 1, wall.day));
  return date.getUTCMonth() === wall.month - 1 && date.getUTCDate() === wall.day;
}

function offsetMinutes(offset: string): number | undefined {
  if (offset === 'Z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(-2));
  if (hours > 18 || minutes > 59) return undefined;
  return (offset[0] === '-' ? -1 : 1) * (hours * 60 + minutes);
}
