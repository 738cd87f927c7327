/**
 * The order of movements. A movement gets a time in microseconds that is later than every earlier one of its users, also
 * when several come within a microsecond or a process with a slow clock takes over. Its id begins with that time, so that
 * the order of ids is the order of the user's movements, and a range of time is a range of ids.
 */

/** 2^53 microseconds, which is the year 2255. */
const HEX_DIGITS = 14;

/**
 * @param now - milliseconds
 * @param before - the clocks of the users that the movement touches
 * @returns microseconds
 */
export function nextClock(now: number, before: readonly number[]): number {
  return Math.max(now * 1_000, ...before.map((clock) => clock + 1));
}

/** @param suffix - tells movements of different users at the same time apart */
export function movementIdAt(clock: number, suffix: string): string {
  return `${hex(clock)}-${suffix}`;
}

/** Milliseconds of a clock. */
export function timeOfClock(clock: number): number {
  return Math.floor(clock / 1_000);
}

/** Not after any movement id of this time (milliseconds) or later, and after every earlier one. */
export function firstMovementIdAt(at: number): string {
  return hex(Math.min(Math.max(0, Math.ceil(at)), Number.MAX_SAFE_INTEGER / 1_000) * 1_000);
}

function hex(clock: number): string {
  return Math.floor(clock).toString(16).padStart(HEX_DIGITS, '0');
}
