/** Bytes of a file, both ends included; or that the range asked for lies outside of it. */
export type WantedRange = { readonly from: number; readonly to: number } | 'unsatisfiable';

const ONE_RANGE = /^bytes=(\d*)-(\d*)$/i;

/**
 * Reads a `Range` header (https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2).
 *
 * @returns nothing when the whole file is to be sent: for no range, one that means nothing, and several at once, which a
 *   server need not send
 */
export function readRange(header: string | undefined, size: number): WantedRange | undefined {
  const [, first, last] = ONE_RANGE.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') return lastBytes(Number(last), size);
  const from = Number(first);
  const to = last === '' ? Number.POSITIVE_INFINITY : Number(last);
  if (from > to) return undefined;
  return from < size ? { from, to: Math.min(to, size - 1) } : 'unsatisfiable';
}

function lastBytes(count: number, size: number): WantedRange {
  return count > 0 && size > 0 ? { from: Math.max(0, size - count), to: size - 1 } : 'unsatisfiable';
}
