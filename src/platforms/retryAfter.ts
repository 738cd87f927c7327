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
  if (header === null || header === undefined) return undefined;
  const milliseconds = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  if (Number.isNaN(milliseconds)) return undefined;
  return Math.min(Math.max(milliseconds, 0), longestMilliseconds);
}
