/** What may be used in any 60 seconds, by a clock in milliseconds. */
export class SlidingLimit {
  readonly limit: number;
  #uses: { readonly at: number; readonly amount: number }[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  remaining(now: number): number {
    this.#forget(now);
    return Math.max(0, this.limit - this.#uses.reduce((sum, use) => sum + use.amount, 0));
  }

  use(now: number, amount: number): void {
    this.#uses.push({ at: now, amount });
  }

  /** How long until so much is free. */
  freeIn(now: number, amount: number): number {
    let free = this.remaining(now);
    for (const use of this.#uses) {
      if (free >= amount) break;
      free += use.amount;
      if (free >= amount) return use.at + MINUTE - now;
    }
    return free >= amount ? 0 : MINUTE;
  }

  /** How long until all of it is free. */
  resetIn(now: number): number {
    this.#forget(now);
    const last = this.#uses.at(-1);
    return last === undefined ? 0 : last.at + MINUTE - now;
  }

  #forget(now: number): void {
    this.#uses = this.#uses.filter((use) => use.at > now - MINUTE);
  }
}

const MINUTE = 60_000;

/** A time as the API's headers write it: `12ms`, `1.5s`, `6m0s`, `1h2m0s`. */
export function formatDuration(milliseconds: number): string {
  const whole = Math.ceil(milliseconds);
  if (whole < 1_000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / 60_000);
  const seconds = `${(whole % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
