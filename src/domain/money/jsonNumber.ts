import { formatMicros } from './micros.ts';

declare global {
  interface JSON {
    /** @see https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/JSON/rawJSON */
    rawJSON(text: string): ExactNumber;
  }
}

/** A number for JSON.stringify that is printed digit by digit, with no detour over a float. */
export interface ExactNumber {
  readonly rawJSON: string;
}

/** An amount of money as an exact JSON number, such as `163.045`. */
export function moneyNumber(micros: bigint | number): ExactNumber {
  return JSON.rawJSON(formatMicros(micros));
}

/** A count as an exact JSON number, also beyond 2^53. */
export function countNumber(count: bigint | number): ExactNumber {
  return JSON.rawJSON(count.toString());
}
