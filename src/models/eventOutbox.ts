import { randomBytes } from 'node:crypto';
import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { EventType, WebhookEvent } from '../domain/webhooks/event.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

/**
 * Events that receivers are to be told, written in the transaction of what happened. An event is `pending` until every
 * endpoint that wants it has a delivery of its own, then `fanned-out` for good.
 */
const outboxSchema = new Schema(
  {
    /** The event id. */
    _id: { type: String, required: true },
    type: { type: String, required: true },
    at: { type: Date, required: true },
    data: { type: Schema.Types.Mixed, required: true },
    state: { type: String, enum: ['pending', 'fanned-out'], required: true },
    /** Set when it is fanned out; MongoDB removes it then. */
    expires_at: Date,
  },
  { collection: 'event_outbox', versionKey: false, strict: 'throw' },
);
outboxSchema.index({ at: 1, _id: 1 }, { partialFilterExpression: { state: 'pending' } });
outboxSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

const KEPT_MILLISECONDS = 30 * 24 * 3_600_000;

export async function prepareEventOutbox(connection: Connection): Promise<void> {
  await createMissing(connection, 'EventOutbox', outboxSchema);
}

interface OutboxDocument {
  _id: string;
  type: EventType;
  at: Date;
  data: Record<string, unknown>;
  state: 'pending' | 'fanned-out';
  expires_at?: Date;
}

/** An event that was written by a transaction. */
export type OutboxEvent = WebhookEvent & { readonly type: EventType };

function outbox(connection: Connection) {
  return usable(connection).collection<OutboxDocument>('event_outbox');
}

/** An id that no other event has. Taken before the transaction, whose steps may run several times. */
export function newEventId(): string {
  return `evt_${randomBytes(16).toString('hex')}`;
}

/** Writes events together with what they tell. */
export async function addToEventOutbox(
  connection: Connection,
  events: readonly OutboxEvent[],
  session: ClientSession,
): Promise<void> {
  if (events.length === 0) return;
  await outbox(connection).insertMany(
    events.map((event) => ({
      _id: event.id,
      type: event.type,
      at: new Date(event.at),
      data: { ...event.data },
      state: 'pending',
    })),
    { session },
  );
}

/** The event, as long as it is still to be fanned out. */
export async function findPendingEvent(
  connection: Connection,
  eventId: string,
): Promise<OutboxEvent | undefined> {
  const found = await outbox(connection).findOne({ _id: eventId, state: 'pending' });
  return found ? { id: found._id, type: found.type, at: found.at.getTime(), data: found.data } : undefined;
}

/** Marks the event: every endpoint that wants it has its delivery. Repeating it changes nothing. */
export async function settleEvent(connection: Connection, eventId: string): Promise<void> {
  await outbox(connection).updateOne(
    { _id: eventId, state: 'pending' },
    { $set: { state: 'fanned-out', expires_at: new Date(Date.now() + KEPT_MILLISECONDS) } },
  );
}

/** Ids of the events that happened before that time and are still to be fanned out, the eldest first, in pages. */
export async function* pendingEventPages(
  connection: Connection,
  before: number,
  pageSize: number,
): AsyncGenerator<string[]> {
  let last: { at: Date; id: string } | undefined;
  for (;;) {
    const behind = last ? { $or: [{ at: { $gt: last.at } }, { at: last.at, _id: { $gt: last.id } }] } : {};
    const page = await outbox(connection)
      .find({ state: 'pending', at: { $lt: new Date(before) }, ...behind }, { projection: { at: 1 } })
      .sort({ at: 1, _id: 1 })
      .limit(pageSize)
      .toArray();
    const newest = page.at(-1);
    if (!newest) return;
    last = { at: newest.at, id: newest._id };
    yield page.map((event) => event._id);
  }
}
