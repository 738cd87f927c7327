let newest = 0;

/** The time in milliseconds, which never runs backwards within this process even when the machine's clock does. */
export function monotonicNow(): number {
  newest = Math.max(newest, Date.now());
  return newest;
}
