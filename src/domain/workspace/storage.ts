/** What a user may keep over all apps, counted in UTF-8 bytes of contents. */
export const STORAGE_LIMIT_BYTES = 1_048_576;

/**
 * Bounds of what the limit above does not count, so that one list of a user's projects fits into memory: projects of a
 * user, and bytes of everything but their contents.
 */
export const MOST_PROJECTS = 10_000;
export const DETAILS_LIMIT_BYTES = 8 * 1_048_576;

const BYTES_OF_A_MEGABYTE = 1_048_576;

/** A user's storage as the contract shows it. */
export interface StorageFigures {
  readonly used_mb: number;
  readonly limit_mb: number;
  readonly available_mb: number;
  readonly usage_percentage: number;
}

export function storageFigures(usedBytes: number): StorageFigures {
  return {
    used_mb: megabytes(usedBytes),
    limit_mb: megabytes(STORAGE_LIMIT_BYTES),
    available_mb: megabytes(Math.max(0, STORAGE_LIMIT_BYTES - usedBytes)),
    usage_percentage: roundedQuotient(usedBytes * 1_000, STORAGE_LIMIT_BYTES) / 10,
  };
}

/** Megabytes of 1,048,576 bytes with two decimals. */
export function megabytes(bytes: number): number {
  return roundedQuotient(bytes * 100, BYTES_OF_A_MEGABYTE) / 100;
}

/** A tie goes to the even neighbour, as it did on the contract's first server: 128 KiB are 0.12 MB, and 0.88 MB remain. */
function roundedQuotient(dividend: number, divisor: number): number {
  const below = Math.floor(dividend / divisor);
  const twiceTheRest = 2 * (dividend - below * divisor);
  if (twiceTheRest === divisor) return below % 2 === 0 ? below : below + 1;
  return twiceTheRest > divisor ? below + 1 : below;
}
