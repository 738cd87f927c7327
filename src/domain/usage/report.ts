import { parseMicros } from '../money/micros.ts';
import type { BusinessCalendar } from '../time/businessCalendar.ts';
import { parseTimestamp } from '../time/parseWallClock.ts';

/** What one report says was made and what it cost. Costs are micro-units. */
export interface UsageAmounts {
  readonly image_count: number;
  readonly image_cost: number;
  readonly video_count: number;
  readonly video_cost: number;
  readonly total_cost: number;
}

/** A checked report, before it has an id. */
export interface UsageReport extends UsageAmounts {
  /** The moment that the usage belongs to, in milliseconds, on a whole second. */
  readonly at: number;
  /** False when `at` is only the time of receipt; a repeat of the report is then compared without it. */
  readonly timestamp_sent: boolean;
  /** The sender's own id of the event: the same id again is the same event. */
  readonly event_id?: string | undefined;
}

/** An accepted report. What was accepted never changes; a wrong one is voided by a counter entry that names it. */
export interface UsageEvent extends UsageReport {
  readonly record_id: number;
  readonly user_id: number;
  readonly received_at: number;
  /** Set on a counter entry: the record that it takes back. Its amounts are the negated ones of that record. */
  readonly voids?: number | undefined;
}

/** The fields of a body, as any of the three encodings gives them. Nothing is known about their values. */
export type SentFields = Readonly<Record<string, unknown>>;

/** A field or parameter that cannot be taken, in the words of the contract. */
export interface RefusedField {
  readonly refused: string;
}

const COUNT_TEXT = /^\+?\d{1,10}$/;
const LARGEST_COUNT = 2_147_483_647;
const LONGEST_EVENT_ID = 200;

/** The trimmed user name; missing and blank are the same. */
export function readUserName(fields: SentFields): string | RefusedField {
  const text = fieldText(fields.userName);
  if (text === undefined) return { refused: 'userName is required' };
  if (text === null) return { refused: 'Invalid value for userName' };
  return text;
}

/**
 * Reads everything but the user name. An empty optional field is an absent one.
 *
 * @param receivedAt - milliseconds; the report's moment when it names none
 */
export function readReport(
  fields: SentFields,
  receivedAt: number,
  calendar: BusinessCalendar,
): UsageReport | RefusedField {
  const imageCount = readCount(fields.image_count);
  if (imageCount === undefined) return invalidValue('image_count');
  const imageCost = readCost(fields.image_cost, 0);
  if (imageCost === undefined) return invalidValue('image_cost');
  const videoCount = readCount(fields.video_count);
  if (videoCount === undefined) return invalidValue('video_count');
  const videoCost = readCost(fields.video_cost, 0);
  if (videoCost === undefined) return invalidValue('video_cost');
  const totalCost = readCost(fields.total_cost, imageCost + videoCost);
  if (totalCost === undefined || !Number.isSafeInteger(totalCost)) return invalidValue('total_cost');
  const moment = readTimestamp(fields.timestamp, calendar);
  if (moment === 'invalid') return { refused: 'Invalid timestamp' };
  const eventId = readEventId(fields);
  if (isRefused(eventId)) return eventId;
  return {
    image_count: imageCount,
    image_cost: imageCost,
    video_count: videoCount,
    video_cost: videoCost,
    total_cost: totalCost,
    at: moment ?? wholeSecond(receivedAt),
    timestamp_sent: moment !== undefined,
    event_id: eventId,
  };
}

/**
 * The sender's own id of the event, trimmed; nothing when it sent none. A JSON number is taken only when no other one
 * reads back as the same.
 */
export function readEventId(fields: SentFields): string | undefined | RefusedField {
  if (typeof fields.event_id === 'number' && !Number.isSafeInteger(fields.event_id))
    return invalidValue('event_id');
  const text = fieldText(fields.event_id);
  if (text === undefined) return undefined;
  return text !== null && isEventId(text) ? text : invalidValue('event_id');
}

/**
 * An id of the sender's: 1 to 200 characters with no blank around them, none of them a control character or half a
 * surrogate pair. The stores keep UTF-8, in which two different halves would read back as the same id. For the same
 * reason none is U+FFFD: it stands where a form held bytes that are not UTF-8, whatever they were.
 */
export function isEventId(text: string): boolean {
  return text.length <= LONGEST_EVENT_ID && text.trim() === text && /^[^\p{Cc}\p{Cs}\uFFFD]+$/u.test(text);
}

/** Whether a repeat of an event id says the same as the first, on the fields as they were sent. */
export function saysTheSame(first: UsageReport, repeat: UsageReport): boolean {
  return (
    first.image_count === repeat.image_count &&
    first.image_cost === repeat.image_cost &&
    first.video_count === repeat.video_count &&
    first.video_cost === repeat.video_cost &&
    first.total_cost === repeat.total_cost &&
    first.timestamp_sent === repeat.timestamp_sent &&
    (!first.timestamp_sent || first.at === repeat.at)
  );
}

/** True for a refusal, of whatever was being read. */
export function isRefused(outcome: object | string | undefined): outcome is RefusedField {
  return typeof outcome === 'object' && 'refused' in outcome;
}

function invalidValue(field: string): RefusedField {
  return { refused: `Invalid value for ${field}` };
}

function readCount(value: unknown): number | undefined {
  const text = fieldText(value);
  if (text === undefined) return 0;
  if (text === null || !COUNT_TEXT.test(text)) return undefined;
  const count = Number(text);
  return count <= LARGEST_COUNT ? count : undefined;
}

function readCost(value: unknown, absent: number): number | undefined {
  const text = fieldText(value);
  if (text === undefined) return absent;
  return text === null ? undefined : parseMicros(text);
}

/** The moment in milliseconds; nothing when the field is absent. */
function readTimestamp(value: unknown, calendar: BusinessCalendar): number | undefined | 'invalid' {
  const text = fieldText(value);
  if (text === undefined) return undefined;
  return (text === null ? undefined : parseTimestamp(text, calendar)) ?? 'invalid';
}

/**
 * The trimmed text of a field: undefined when absent, null when it is nothing that has a text (a list, an object, a
 * boolean). A JSON number is taken by its shortest decimal text.
 */
function fieldText(value: unknown): string | undefined | null {
  if (typeof value === 'string') return value.trim() === '' ? undefined : value.trim();
  if (typeof value === 'number') return String(value);
  return value === undefined || value === null ? undefined : null;
}

function wholeSecond(milliseconds: number): number {
  return Math.floor(milliseconds / 1_000) * 1_000;
}
