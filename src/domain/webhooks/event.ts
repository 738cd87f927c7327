/** What receivers can subscribe to. A name that was given out stays. */
export const EVENT_TYPES = ['credits.low', 'icons.batch_finished', 'icons.paused'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Every type, also those to come. */
export const ALL_EVENTS = '*';
/** Sent to one endpoint because somebody asked for it; nobody subscribes to it. */
export const TEST_EVENT = 'webhook.test';

/** Something that happened and that receivers are told. */
export interface WebhookEvent {
  /** The same over all endpoints, attempts and redeliveries: receivers know repeats by it. */
  readonly id: string;
  readonly type: EventType | typeof TEST_EVENT;
  /** When it happened, in milliseconds. */
  readonly at: number;
  /** Plain JSON. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The body as it is sent and signed (Standard Webhooks, "Payload structure"). */
export function bodyOf(event: WebhookEvent): string {
  return JSON.stringify({
    type: event.type,
    timestamp: new Date(event.at).toISOString(),
    data: event.data,
  });
}
