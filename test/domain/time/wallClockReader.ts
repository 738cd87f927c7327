import type { WallClock } from '../../../src/domain/time/businessCalendar.ts';

/** Reads wall clocks by Intl.DateTimeFormat alone: the independent opinion that the calendar is held against. */
export class WallClockReader {
  readonly #clock: Intl.DateTimeFormat;
  readonly #weekday: Intl.DateTimeFormat;
  readonly #month: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    this.#clock = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    this.#weekday = new Intl.DateTimeFormat('en-US', { timeZone, weekday: 'short' });
    this.#month = new Intl.DateTimeFormat('en-US', { timeZone, month: 'long', year: 'numeric' });
  }

  wallClock(instant: number): WallClock {
    const parts = new Map(this.#clock.formatToParts(instant).map((part) => [part.type, Number(part.value)]));
    const read = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? Number.NaN;
    return {
      year: read('year'),
      month: read('month'),
      day: read('day'),
      hour: read('hour'),
      minute: read('minute'),
      second: read('second'),
    };
  }

  /** `YYYY-MM-DD HH:MM:SS` */
  text(instant: number): string {
    const { year, month, day, hour, minute, second } = this.wallClock(instant);
    const two = (value: number) => value.toString().padStart(2, '0');
    return `${year.toString().padStart(4, '0')}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
  }

  /** 0 is Sunday. */
  weekday(instant: number): number {
    return ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(this.#weekday.format(instant));
  }

  monthName(instant: number): string {
    return this.#month.format(instant);
  }
}
