import type { ExactNumber } from '../../../domain/money/jsonNumber.ts';

/** `2026-01-05T09:30:00Z`. */
export function timeText(milliseconds: number): string {
  return `${wallClockText(milliseconds)}Z`;
}

export function optionalTimeText(milliseconds: number | null): string | null {
  return milliseconds === null ? null : timeText(milliseconds);
}

/** `2026-01-05T09:30:00`, in UTC: where the contract shows no zone. */
export function wallClockText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
}

/** Seconds as a float also for readers who tell `2.0` from `2`. */
export function secondsNumber(milliseconds: number): ExactNumber {
  return floatNumber(milliseconds / 1_000, 3);
}

/** @param digits - most digits after the point */
export function floatNumber(value: number, digits: number): ExactNumber {
  const text = String(Number(value.toFixed(digits)));
  return JSON.rawJSON(/^-?\d+$/.test(text) ? `${text}.0` : text);
}
