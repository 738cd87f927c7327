import type { LimitHint, LimitHints } from './imageProvider.ts';

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g;

/** The `x-ratelimit-*` headers. One that is missing or odd leaves its limit out. */
export function readLimitHints(headers: Headers | undefined): LimitHints {
  const requests = readHint(headers, 'requests');
  const tokens = readHint(headers, 'tokens');
  return { ...(requests && { requests }), ...(tokens && { tokens }) };
}

/**
 * A duration such as `12ms`, `1s`, `6m0s` or `1h2m`, in whole milliseconds, rounded up.
 *
 * @returns nothing when it is none
 */
export function readDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, amount, unit = ''] of text.matchAll(PART))
    milliseconds += Number(amount) * (UNITS[unit] ?? 0);
  return Math.ceil(milliseconds);
}

function readHint(headers: Headers | undefined, kind: 'requests' | 'tokens'): LimitHint | undefined {
  const limit = readCount(headers?.get(`x-ratelimit-limit-${kind}`));
  const remaining = readCount(headers?.get(`x-ratelimit-remaining-${kind}`));
  const resetMilliseconds = readDuration(headers?.get(`x-ratelimit-reset-${kind}`) ?? '');
  if (limit === undefined || remaining === undefined || resetMilliseconds === undefined) return undefined;
  return { limit, remaining, resetMilliseconds };
}

function readCount(text: string | null | undefined): number | undefined {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
