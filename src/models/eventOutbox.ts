import { randomUUID } from 'node:crypto';
import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { EventType, WebhookEvent } from '../domain/webhooks/event.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

/**
 * Events that receivers are to be told, written in the transaction of what they tell. An event is `waiting` until every
 * endpoint that wants it has a delivery of its own, then `fanned-out` for good.
 */
const eventSchema = new Schema(
  {
    /** The event id. */
    _id: { type: String, required: true },
    type: { type: String, required: true },
    at: { type: Date, required: true },
    data: { type: Schema.Types.Mixed, required: true },
    state: { type: String, required: true },
    /** Set when it is fanned out; MongoDB removes it then. */
    expires_at: Date,
  },
  { collection: 'event_outbox', versionKey: false, strict: 'throw' },
);
eventSchema.index({ at: 1, _id: 1 }, { partialFilterExpression: { state: 'waiting' } });
eventSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

const KEPT_MILLISECONDS = 30 * 24 * 3_600_000;

/** What happened, as whoever writes it knows it. */
export interface OutboxEvent {
  readonly type: EventType;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

interface OutboxDocument {
  _id: string;
  type: EventType;
  at: Date;
  data: OutboxEvent['data'];
  state: 'waiting' | 'fanned-out';
  expires_at?: Date;
}

export async function prepareEventOutbox(connection: Connection): Promise<void> {
  await createMissing(connection, 'OutboxEvent', eventSchema);
}

function outbox(connection: Connection) {
  return usable(connection).collection<OutboxDocument>('event_outbox');
}

/**
 * Writes events together with what they tell.
 *
 * @returns their ids; after the commit, `startFanOut` with them saves the receivers the wait for the sweep
 */
export async function addToEventOutbox(
  connection: Connection,
  events: readonly OutboxEvent[],
  session: ClientSession,
): Promise<string[]> {
  const documents = events.map(({ type, at, data }) => ({
    _id: newEventId(),
    type,
    at: new Date(at),
    data,
    state: 'waiting' as const,
  }));
  if (documents.length > 0) await outbox(connection).insertMany(documents, { session, ordered: false });
  return documents.map((document) => document._id);
}

/** An id that no other event has. */
export function newEventId(): string {
  return `evt_${randomUUID()}`;
}

/** The event, as long as it is still to be fanned out. */
export async function findWaitingEvent(
  connection: Connection,
  eventId: string,
): Promise<(WebhookEvent & OutboxEvent) | undefined> {
  const found = await outbox(connection).findOne({ _id: eventId, state: 'waiting' });
  return found ? { id: found._id, type: found.type, at: found.at.getTime(), data: found.data } : undefined;
}

/** Marks the event: every endpoint that wants it has its delivery. Repeating it changes nothing. */
export async function settleEvent(connection: Connection, eventId: string): Promise<void> {
  await outbox(connection).updateOne(
    { _id: eventId, state: 'waiting' },
    { $set: { state: 'fanned-out', expires_at: new Date(Date.now() + KEPT_MILLISECONDS) } },
  );
}

/** Ids of the events that happened by that time and are still to be fanned out, the eldest first, in pages. */
export async function* waitingEventPages(
  connection: Connection,
  by: number,
  pageSize: number,
): AsyncGenerator<string[]> {
  let last: { at: Date; id: string } | undefined;
  for (;;) {
    const behind = last ? { $or: [{ at: { $gt: last.at } }, { at: last.at, _id: { $gt: last.id } }] } : {};
    const page = await outbox(connection)
      .find({ state: 'waiting', at: { $lte: new Date(by) }, ...behind }, { projection: { at: 1 } })
      .sort({ at: 1, _id: 1 })
      .limit(pageSize)
      .toArray();
    const newest = page.at(-1);
    if (!newest) return;
    last = { at: newest.at, id: newest._id };
    yield page.map((event) => event._id);
  }
}
