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
