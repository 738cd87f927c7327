import { createHash, randomUUID } from 'node:crypto';
import { type Connection, type mongo, Schema } from 'mongoose';
import {
  DELIVERY_TRANSITIONS,
  type Delivery,
  type DeliveryAttempt,
  type DeliveryState,
  type DeliveryTransition,
  OPEN_STATES,
} from '../domain/webhooks/delivery.ts';
import { bodyOf, type WebhookEvent } from '../domain/webhooks/event.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const attemptSchema = new Schema(
  {
    at: { type: Date, required: true },
    duration_ms: { type: Number, required: true },
    status_code: Number,
    error: String,
    response: String,
  },
  { _id: false },
);

/** Every status change goes through `DELIVERY_TRANSITIONS`. */
const deliverySchema = new Schema(
  {
    /** Made of the event and the endpoint: there cannot be two for the same. */
    _id: { type: String, required: true },
    endpoint_id: { type: String, required: true },
    event_id: { type: String, required: true },
    event_type: { type: String, required: true },
    body: { type: String, required: true },
    state: { type: String, required: true },
    due_at: { type: Date, required: true },
    lease_token: String,
    attempts_made: { type: Number, required: true },
    attempts: { type: [attemptSchema], required: true },
    reason: String,
    created_at: { type: Date, required: true },
    /** Set when nothing more is to come by itself; MongoDB removes it then. */
    expires_at: Date,
  },
  { collection: 'webhook_deliveries', versionKey: false, strict: 'throw' },
);
deliverySchema.index({ endpoint_id: 1, created_at: -1, _id: -1 });
deliverySchema.index({ state: 1, due_at: 1, _id: 1 });
deliverySchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

/** An attempt whose worker was killed may begin anew after this time. Longer than any attempt takes. */
export const DELIVERY_LEASE_MILLISECONDS = 25_000;
const KEPT_MILLISECONDS = 30 * 24 * 3_600_000;
const MOST_ATTEMPTS_KEPT = 50;

interface AttemptDocument {
  at: Date;
  duration_ms: number;
  status_code?: number;
  error?: string;
  response?: string;
}

interface DeliveryDocument {
  _id: string;
  endpoint_id: string;
  event_id: string;
  event_type: WebhookEvent['type'];
  body: string;
  state: DeliveryState;
  due_at: Date;
  lease_token?: string;
  attempts_made: number;
  attempts: AttemptDocument[];
  reason?: string;
  created_at: Date;
  expires_at?: Date;
}

/** The right to make the next attempt. */
export interface DeliveryLease {
  readonly token: string;
  readonly delivery: Delivery;
}

/** A delivery's place in the order of creation. */
export interface DeliveryPosition {
  readonly created_at: number;
  readonly id: string;
}

/** How an attempt ended. */
export type AttemptEnd =
  | { readonly transition: 'succeed' }
  | { readonly transition: 'retry'; readonly nextAttemptAt: number }
  | { readonly transition: 'give-up'; readonly reason: string };

export async function prepareWebhookDeliveries(connection: Connection): Promise<void> {
  await createMissing(connection, 'WebhookDelivery', deliverySchema);
}

function deliveries(connection: Connection) {
  return usable(connection).collection<DeliveryDocument>('webhook_deliveries');
}

/** The one delivery of an event to an endpoint. */
export function deliveryId(eventId: string, endpointId: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([eventId, endpointId]))
    .digest('hex');
  return `dlv_${digest.slice(0, 32)}`;
}

/**
 * Makes the event's delivery to each of the endpoints, unless it is there already.
 *
 * @returns the ids of all of them, in the order of the endpoints
 */
export async function addDeliveries(
  connection: Connection,
  event: WebhookEvent,
  endpointIds: readonly string[],
): Promise<string[]> {
  const now = new Date();
  const body = bodyOf(event);
  const documents = endpointIds.map((endpointId) => ({
    _id: deliveryId(event.id, endpointId),
    endpoint_id: endpointId,
    event_id: event.id,
    event_type: event.type,
    body,
    state: 'waiting' as const,
    due_at: now,
    attempts_made: 0,
    attempts: [],
    created_at: now,
  }));
  if (documents.length > 0) {
    await deliveries(connection).bulkWrite(
      documents.map(({ _id, ...document }) => ({
        updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true },
      })),
      { ordered: false },
    );
  }
  return documents.map((document) => document._id);
}

export async function findDelivery(connection: Connection, id: string): Promise<Delivery | undefined> {
  const found = await deliveries(connection).findOne({ _id: id });
  return found ? toDelivery(found) : undefined;
}

/** A page of an endpoint's deliveries, the newest first. */
export async function listDeliveries(
  connection: Connection,
  endpointId: string,
  page: { readonly after: DeliveryPosition | undefined; readonly limit: number },
): Promise<Delivery[]> {
  const { after, limit } = page;
  const at = after && new Date(after.created_at);
  const behind = at ? { $or: [{ created_at: { $lt: at } }, { created_at: at, _id: { $lt: after.id } }] } : {};
  const found = await deliveries(connection)
    .find({ endpoint_id: endpointId, ...behind })
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toDelivery);
}

/** Takes the right to the next attempt when it is due, and counts it. */
export async function claimDelivery(connection: Connection, id: string): Promise<DeliveryLease | undefined> {
  const now = Date.now();
  const token = randomUUID();
  const found = await deliveries(connection).findOneAndUpdate(
    { _id: id, due_at: { $lte: new Date(now) }, ...before('claim') },
    {
      $set: {
        state: DELIVERY_TRANSITIONS.claim.to,
        due_at: new Date(now + DELIVERY_LEASE_MILLISECONDS),
        lease_token: token,
      },
      $inc: { attempts_made: 1 },
    },
    { returnDocument: 'after' },
  );
  return found ? { token, delivery: toDelivery(found) } : undefined;
}

/** Records the attempt and what follows. @returns false when somebody else has taken the delivery since */
export async function concludeAttempt(
  connection: Connection,
  lease: DeliveryLease,
  attempt: DeliveryAttempt,
  end: AttemptEnd,
): Promise<boolean> {
  const { status_code: status, error, response } = attempt;
  const recorded: AttemptDocument = {
    at: new Date(attempt.at),
    duration_ms: attempt.duration_ms,
    ...(status === undefined ? {} : { status_code: status }),
    ...(error === undefined ? {} : { error }),
    ...(response === undefined ? {} : { response }),
  };
  const updated = await deliveries(connection).updateOne(
    { _id: lease.delivery.id, lease_token: lease.token, ...before(end.transition) },
    {
      $set: {
        state: DELIVERY_TRANSITIONS[end.transition].to,
        ...(end.transition === 'retry' ? { due_at: new Date(end.nextAttemptAt) } : { expires_at: expiry() }),
        ...(end.transition === 'give-up' ? { reason: end.reason } : {}),
      },
      $unset: { lease_token: '' },
      $push: { attempts: { $each: [recorded], $slice: -MOST_ATTEMPTS_KEPT } },
    },
  );
  return updated.matchedCount === 1;
}

/** Gives the right back, for an attempt that was called off: it does not count. */
export async function releaseDelivery(connection: Connection, lease: DeliveryLease): Promise<void> {
  await deliveries(connection).updateOne(
    { _id: lease.delivery.id, lease_token: lease.token, ...before('release') },
    {
      $set: { state: DELIVERY_TRANSITIONS.release.to, due_at: new Date() },
      $inc: { attempts_made: -1 },
      $unset: { lease_token: '' },
    },
  );
}

/** Gives up a delivery that has nowhere to go. Changes nothing when it has ended. */
export async function cancelDelivery(connection: Connection, id: string, reason: string): Promise<void> {
  await deliveries(connection).updateOne(
    { _id: id, ...before('cancel') },
    {
      $set: { state: DELIVERY_TRANSITIONS.cancel.to, reason, expires_at: expiry() },
      $unset: { lease_token: '' },
    },
  );
}

/** Begins from the first attempt again, now. @returns nothing while an attempt runs, and when there is no such delivery */
export async function redeliver(connection: Connection, id: string): Promise<Delivery | undefined> {
  const found = await deliveries(connection).findOneAndUpdate(
    { _id: id, ...before('redeliver') },
    {
      $set: { state: DELIVERY_TRANSITIONS.redeliver.to, due_at: new Date(), attempts_made: 0 },
      $unset: { reason: '', expires_at: '' },
    },
    { returnDocument: 'after' },
  );
  return found ? toDelivery(found) : undefined;
}

/** Ids of the deliveries that something should have been done for by that time, in pages. */
export async function* overdueDeliveryPages(
  connection: Connection,
  by: number,
  pageSize: number,
): AsyncGenerator<string[]> {
  let last: { at: Date; id: string } | undefined;
  for (;;) {
    const behind = last
      ? { $or: [{ due_at: { $gt: last.at } }, { due_at: last.at, _id: { $gt: last.id } }] }
      : {};
    const page = await deliveries(connection)
      .find(
        { state: { $in: [...OPEN_STATES] }, due_at: { $lte: new Date(by) }, ...behind },
        { projection: { due_at: 1 } },
      )
      .sort({ due_at: 1, _id: 1 })
      .limit(pageSize)
      .toArray();
    const latest = page.at(-1);
    if (!latest) return;
    last = { at: latest.due_at, id: latest._id };
    yield page.map((delivery) => delivery._id);
  }
}

/** The states in which the transition is possible. */
function before(transition: DeliveryTransition): mongo.Filter<DeliveryDocument> {
  return { state: { $in: [...DELIVERY_TRANSITIONS[transition].from] } };
}

function expiry(): Date {
  return new Date(Date.now() + KEPT_MILLISECONDS);
}

function toDelivery(document: DeliveryDocument): Delivery {
  return {
    id: document._id,
    endpoint_id: document.endpoint_id,
    event_id: document.event_id,
    event_type: document.event_type,
    body: document.body,
    state: document.state,
    due_at: document.due_at.getTime(),
    attempts_made: Number(document.attempts_made),
    attempts: document.attempts.map((attempt) => ({
      at: attempt.at.getTime(),
      duration_ms: Number(attempt.duration_ms),
      status_code: attempt.status_code === undefined ? undefined : Number(attempt.status_code),
      error: attempt.error,
      response: attempt.response,
    })),
    reason: document.reason,
    created_at: document.created_at.getTime(),
  };
}
