/**
 * Money as whole millionths of its unit, so that sums are exact. Single amounts are safe integers; sums are bigints,
 * because a total may outgrow 2^53 millionths.
 */

const DECIMALS = 6;
const SCALE = 1_000_000n;
const DECIMAL_TEXT = /^\+?(?:\d{1,10}(?:\.\d{0,6}0*)?|\.\d{1,6}0*)$/;

/**
 * Reads a non-negative decimal such as `"0.0609"`, exactly.
 *
 * @returns millionths, or nothing when the text is not a plain decimal, is negative, has more than six significant
 *   decimals, or is larger than 9,007,199,254.740991
 */
export function parseMicros(text: string): number | undefined {
  if (!DECIMAL_TEXT.test(text)) return undefined;
  const point = text.indexOf('.');
  const whole = point === -1 ? text : text.slice(0, point);
  const fraction = point === -1 ? '' : text.slice(point + 1, point + 1 + DECIMALS);
  // A lone sign or nothing before the point is no number to Number, but a zero here.
  const micros = (Number(whole) || 0) * Number(SCALE) + Number(fraction.padEnd(DECIMALS, '0'));
  return Number.isSafeInteger(micros) ? micros : undefined;
}

/**
 * Prints the exact decimal.
 *
 * @param leastDecimals - digits behind the point that are printed even when they are zero
 */
export function formatMicros(micros: bigint | number, leastDecimals = 0): string {
  if (typeof micros === 'number' && Number.isSafeInteger(micros))
    return formatSafeMicros(micros, leastDecimals);
  const exact = BigInt(micros);
  const size = exact < 0n ? -exact : exact;
  const whole = (size / SCALE).toString();
  const fraction = (size % SCALE)
    .toString()
    .padStart(DECIMALS, '0')
    .replace(/0+$/, '')
    .padEnd(leastDecimals, '0');
  return `${exact < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** The same on whole numbers that a double holds exactly, several times faster than with bigints. */
function formatSafeMicros(micros: number, leastDecimals: number): string {
  const scale = Number(SCALE);
  const size = Math.abs(micros);
  const rest = size % scale;
  const whole = (size - rest) / scale;
  const fraction = withoutEndZeros(rest).padEnd(leastDecimals, '0');
  return `${micros < 0 ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Six digits of millionths, less the zeros at their end. */
function withoutEndZeros(millionths: number): string {
  if (millionths === 0) return '';
  const digits = String(millionths).padStart(DECIMALS, '0');
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}
