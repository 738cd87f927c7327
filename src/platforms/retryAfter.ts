/** Not in the standard, and sent all the same: fractions. */
const SECONDS = /^\d+(\.\d+)?$/;

/**
 * What a `Retry-After` header asks for, in milliseconds: seconds or a date (RFC 9110, 10.2.3).
 *
 * @param longestMilliseconds - whoever asks for more gets this
 * @returns nothing when the header is absent or neither of both
 */
export function readRetryAfter(
  header: string | null | undefined,
  longestMilliseconds: number,
): number | undefined {
  const text = header?.trim() ?? '';
  const milliseconds = SECONDS.test(text) ? Math.ceil(Number(text) * 1_000) : untilDate(text);
  if (milliseconds === undefined) return undefined;
  return Math.min(Math.max(milliseconds, 0), longestMilliseconds);
}

/** `Date.parse` takes nearly any text for a date: `-5` is one in 2001. So it has to read as it is written. */
function untilDate(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isFinite(time) && new Date(time).toUTCString() === text ? time - Date.now() : undefined;
}
