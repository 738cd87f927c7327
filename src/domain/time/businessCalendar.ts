import { tzOffset } from '@date-fns/tz/tzOffset';

/** What buckets, series and periods are cut by. */
export type CalendarUnit = 'hour' | 'day' | 'month';

/** A moment on the wall clock, whatever the zone. `month` and `day` start at 1. */
export interface WallClock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Offsets of today's zones change on quarters of an hour only, so one look-up serves the whole quarter. */
const OFFSET_SLOT = 15 * MINUTE;
const OFFSET_CACHE_LIMIT = 20_000;

/**
 * The calendar of the business time zone. Instants are milliseconds since 1970 UTC everywhere; this is the only place
 * that knows about wall clocks.
 */
export class BusinessCalendar {
  readonly timeZone: string;
  readonly #offsets = new Map<number, number>();

  constructor(timeZone: string) {
    this.timeZone = timeZone;
  }

  /**
   * The instant of a wall-clock moment. One that the clocks skip in spring counts from before the change; of one that
   * comes twice in autumn, the first is meant.
   */
  instantOf(wall: WallClock): number {
    const local = Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second);
    return this.#fromLocal(local);
  }

  /** First instant of the hour, day or month that holds the instant. */
  startOf(unit: CalendarUnit, instant: number): number {
    const offset = this.#offset(instant);
    const local = instant + offset;
    switch (unit) {
      case 'hour':
        return this.#firstWithOffset(offset, floorTo(local, HOUR) - offset);
      case 'day':
        return this.#fromLocal(floorTo(local, DAY));
      case 'month': {
        const date = new Date(local);
        return this.#fromLocal(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1));
      }
    }
  }

  /** First instant of the day `days` after (or before) the day that holds the instant. */
  addDays(instant: number, days: number): number {
    return this.#fromLocal(floorTo(instant + this.#offset(instant), DAY) + days * DAY);
  }

  /** First instant of the month `months` after (or before) the month that holds the instant. */
  addMonths(instant: number, months: number): number {
    const date = new Date(instant + this.#offset(instant));
    return this.#fromLocal(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));
  }

  /** 0 is Sunday. */
  weekday(instant: number): number {
    return new Date(instant + this.#offset(instant)).getUTCDay();
  }

  /** `YYYY-MM-DD HH:MM:SS` on the wall clock, the fraction cut off. */
  wallClockText(instant: number): string {
    return new Date(instant + this.#offset(instant)).toISOString().slice(0, 19).replace('T', ' ');
  }

  /** `YYYY-MM-DD` */
  dayText(instant: number): string {
    return this.wallClockText(instant).slice(0, 10);
  }

  /** `January 2026` */
  monthText(instant: number): string {
    return MONTH_NAME.format(instant + this.#offset(instant));
  }

  /**
   * Where the clocks change within an hour (by half an hour on Lord Howe Island), the part behind the change is an
   * hour of its own and starts with it.
   */
  #firstWithOffset(offset: number, from: number): number {
    let start = from;
    while (this.#offset(start) !== offset) start = floorTo(start, OFFSET_SLOT) + OFFSET_SLOT;
    return start;
  }

  #fromLocal(local: number): number {
    // The offset on either side of a change differs; the earlier instant that reads as this wall clock is the one.
    const before = this.#offset(local - DAY);
    const instant = local - before;
    if (this.#offset(instant) === before) return instant;
    const after = local - this.#offset(local + DAY);
    return after + this.#offset(after) === local ? after : instant;
  }

  #offset(instant: number): number {
    const slot = Math.floor(instant / OFFSET_SLOT);
    let offset = this.#offsets.get(slot);
    if (offset === undefined) {
      if (this.#offsets.size >= OFFSET_CACHE_LIMIT) this.#offsets.clear();
      // Local times of the nineteenth century have seconds, which come as fractions of a minute.
      offset = Math.round(tzOffset(this.timeZone, new Date(slot * OFFSET_SLOT)) * MINUTE);
      this.#offsets.set(slot, offset);
    }
    return offset;
  }
}

const MONTH_NAME = new Intl.DateTimeFormat('en-US', { month: 'long', year: 'numeric', timeZone: 'UTC' });

function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step;
}
