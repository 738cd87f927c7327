import type { WebhookEvent } from './event.ts';

export const DELIVERY_STATES = ['waiting', 'attempting', 'delivered', 'failed', 'cancelled'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * The only way in which a delivery changes its state:
 *
 *     waiting ─claim─▶ attempting ─succeed─▶ delivered
 *        ▲ ◀──retry/release──┤└─────give-up──▶ failed
 *        └────redeliver── (any that is not attempting)      cancel: waiting, attempting ──▶ cancelled
 */
export const DELIVERY_TRANSITIONS = {
  /** An attempt begins. One that was killed in the middle begins anew when its lease has run out. */
  claim: { from: ['waiting', 'attempting'], to: 'attempting' },
  succeed: { from: ['attempting'], to: 'delivered' },
  /** The attempt failed and another one follows. */
  retry: { from: ['attempting'], to: 'waiting' },
  /** The attempt was called off before its end, which is not the receiver's fault. */
  release: { from: ['attempting'], to: 'waiting' },
  'give-up': { from: ['attempting'], to: 'failed' },
  /** The endpoint is gone or disabled. */
  cancel: { from: ['waiting', 'attempting'], to: 'cancelled' },
  /** Somebody asked for it: all attempts from the beginning. */
  redeliver: { from: ['waiting', 'delivered', 'failed', 'cancelled'], to: 'waiting' },
} as const satisfies Record<string, { readonly from: readonly DeliveryState[]; readonly to: DeliveryState }>;

export type DeliveryTransition = keyof typeof DELIVERY_TRANSITIONS;

/** The states from which more is to come by itself. */
export const OPEN_STATES: readonly DeliveryState[] = DELIVERY_TRANSITIONS.claim.from;

/** One post to the receiver. */
export interface DeliveryAttempt {
  /** When it began, in milliseconds. */
  readonly at: number;
  readonly duration_ms: number;
  /** Nothing when no answer came. */
  readonly status_code: number | undefined;
  /** Why no answer came. */
  readonly error: string | undefined;
  /** The beginning of the answer's body, without what looks like a secret. */
  readonly response: string | undefined;
}

/** One event on its way to one endpoint. */
export interface Delivery {
  readonly id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly event_type: WebhookEvent['type'];
  /** What is posted, the same bytes each time. */
  readonly body: string;
  readonly state: DeliveryState;
  /** When something is to be done: the next attempt, or the end of the running one's lease. In milliseconds. */
  readonly due_at: number;
  /** Attempts since it was made, or since the last redelivery. */
  readonly attempts_made: number;
  /** The latest ones, also of earlier rounds. */
  readonly attempts: readonly DeliveryAttempt[];
  /** Why it failed or was cancelled. */
  readonly reason: string | undefined;
  readonly created_at: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits between the attempts: more than three days in all (the example of Standard Webhooks, "Deliverability and reliability"). */
export const RETRY_DELAYS_MILLISECONDS: readonly number[] = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];
/** Of the wait, added at random, so that what failed together does not come back together. */
const JITTER = 0.1;

/**
 * The wait before the next attempt, in milliseconds; nothing when that was the last one.
 *
 * @param delays - the waits after the first, the second, … attempt
 * @param attemptsMade - 1 or more
 * @param asked - what the receiver asked for, when it is longer
 * @param random - 0 (inclusive) to 1 (exclusive)
 */
export function retryDelay(
  delays: readonly number[],
  attemptsMade: number,
  asked: number = 0,
  random: number = Math.random(),
): number | undefined {
  const delay = delays[attemptsMade - 1];
  return delay === undefined ? undefined : Math.max(Math.round(delay * (1 + JITTER * random)), asked);
}

/** What an answer's status says: only 2xx is a success, and 410 asks never to be sent anything again. */
export function verdictOf(status: number): 'delivered' | 'gone' | 'refused' {
  if (status >= 200 && status < 300) return 'delivered';
  return status === 410 ? 'gone' : 'refused';
}
