import { randomBytes } from 'node:crypto';
import { type ClientSession, type Connection, Schema } from 'mongoose';
import {
  ENDPOINT_TRANSITIONS,
  type EndpointStatus,
  MOST_ENDPOINTS,
  MOST_PREVIOUS_SECRETS,
  type PreviousSecret,
  ROTATION_MILLISECONDS,
  type Subscription,
  signingPreviousSecrets,
  type WebhookEndpoint,
} from '../domain/webhooks/endpoint.ts';
import { ALL_EVENTS, type EventType } from '../domain/webhooks/event.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction, isDuplicateKey } from './transaction.ts';
import { timeToWrite } from './writeInTime.ts';

const endpointSchema = new Schema(
  {
    _id: { type: String, required: true },
    /** Its place among the endpoints. Places are unique and bounded, which bounds the endpoints under any concurrency. */
    place: { type: Number, required: true },
    url: { type: String, required: true },
    events: { type: [String], required: true },
    description: { type: String, required: false },
    status: { type: String, required: true },
    disabled_reason: String,
    failing_since: Date,
    secret: { type: String, required: true },
    /** The one before the last rotation. */
    previous_secret: String,
    previous_secret_until: Date,
    /** Those before it whose day is not over, the newest first. */
    earlier_secrets: {
      type: [{ _id: false, secret: { type: String, required: true }, until: { type: Date, required: true } }],
      default: undefined,
    },
    created_at: { type: Date, required: true },
    updated_at: { type: Date, required: true },
  },
  { collection: 'webhook_endpoints', versionKey: false, strict: 'throw' },
);
endpointSchema.index({ place: 1 }, { unique: true });

/** Whoever takes a place that somebody else has just taken looks again. */
const MOST_COLLISIONS = 20;

interface EndpointDocument {
  _id: string;
  place: number;
  url: string;
  events: Subscription[];
  description: string;
  status: EndpointStatus;
  disabled_reason?: string;
  failing_since?: Date;
  secret: string;
  previous_secret?: string;
  previous_secret_until?: Date;
  earlier_secrets?: { secret: string; until: Date }[];
  created_at: Date;
  updated_at: Date;
}

/** There are as many endpoints as there may be. */
export class TooManyEndpointsError extends Error {
  override name = 'TooManyEndpointsError';

  constructor() {
    super(`There are ${MOST_ENDPOINTS} webhook endpoints already, and there cannot be more`);
  }
}

/** As many secrets from before rotations sign as there may be. Nothing was rotated. */
export class TooManyPreviousSecretsError extends Error {
  override name = 'TooManyPreviousSecretsError';

  constructor() {
    super(
      `${MOST_PREVIOUS_SECRETS} secrets from before rotations still sign; a day after its rotation each ends`,
    );
  }
}

export interface NewEndpoint {
  readonly id: string;
  readonly url: string;
  readonly events: readonly Subscription[];
  readonly description: string;
  /** Sealed for the endpoint of this id. */
  readonly secret: string;
}

/** What of an endpoint can be changed by hand. */
export interface EndpointChange {
  readonly url?: string | undefined;
  readonly events?: readonly Subscription[] | undefined;
  readonly description?: string | undefined;
}

export async function prepareWebhookEndpoints(connection: Connection): Promise<void> {
  await createMissing(connection, 'WebhookEndpoint', endpointSchema);
}

function endpoints(connection: Connection) {
  return usable(connection).collection<EndpointDocument>('webhook_endpoints');
}

/** An id that no other endpoint has. Known before the endpoint is written, because its secret is sealed for it. */
export function newEndpointId(): string {
  return `whe_${randomBytes(12).toString('hex')}`;
}

/**
 * Adds an enabled endpoint, or in time nothing: its secret is shown to the one who waits for it, and to nobody later.
 *
 * @throws TooManyEndpointsError
 */
export async function addEndpoint(connection: Connection, endpoint: NewEndpoint): Promise<WebhookEndpoint> {
  const now = new Date();
  const since = performance.now();
  const insert = async (session: ClientSession) => {
    const document: EndpointDocument = {
      _id: endpoint.id,
      place: await freePlace(connection, session),
      url: endpoint.url,
      events: [...endpoint.events],
      description: endpoint.description,
      status: 'enabled',
      secret: endpoint.secret,
      created_at: now,
      updated_at: now,
    };
    await endpoints(connection).insertOne(document, { session });
    return toEndpoint(document);
  };
  for (let collisions = 0; ; collisions++) {
    try {
      return await inTransaction(connection, insert, timeToWrite(since));
    } catch (error) {
      if (!isDuplicateKey(error) || collisions === MOST_COLLISIONS) throw error;
    }
  }
}

async function freePlace(connection: Connection, session: ClientSession): Promise<number> {
  const found = await endpoints(connection)
    .find({}, { projection: { place: 1 }, session })
    .toArray();
  const taken = new Set(found.map((document) => Number(document.place)));
  const free = Array.from({ length: MOST_ENDPOINTS }, (_, place) => place).filter(
    (place) => !taken.has(place),
  );
  // Any of them: whoever registers at the same moment takes another one, most likely.
  const place = free[Math.floor(Math.random() * free.length)];
  if (place === undefined) throw new TooManyEndpointsError();
  return place;
}

export async function findEndpoint(connection: Connection, id: string): Promise<WebhookEndpoint | undefined> {
  const found = await endpoints(connection).findOne({ _id: id });
  return found ? toEndpoint(found) : undefined;
}

/** All of them, the eldest first: they are few. */
export async function listEndpoints(connection: Connection): Promise<WebhookEndpoint[]> {
  const found = await endpoints(connection).find().sort({ created_at: 1, _id: 1 }).toArray();
  return found.map(toEndpoint);
}

/** Ids of the enabled endpoints that want events of the type. */
export async function findSubscribers(connection: Connection, type: EventType): Promise<string[]> {
  const found = await endpoints(connection)
    .find({ status: 'enabled', events: { $in: [type, ALL_EVENTS] } }, { projection: { _id: 1 } })
    .toArray();
  return found.map((document) => document._id);
}

/**
 * At another address it begins anew: its failures are forgotten.
 *
 * @returns the endpoint as it is then; nothing when there is none
 */
export async function changeEndpoint(
  connection: Connection,
  id: string,
  change: EndpointChange,
): Promise<WebhookEndpoint | undefined> {
  const { url, events, description } = change;
  const set = {
    updated_at: new Date(),
    ...(url === undefined ? {} : { url }),
    ...(events === undefined ? {} : { events: [...events] }),
    ...(description === undefined ? {} : { description }),
  };
  const after = { returnDocument: 'after' } as const;
  const moved =
    url === undefined
      ? null
      : await endpoints(connection).findOneAndUpdate(
          { _id: id, url: { $ne: url } },
          { $set: set, $unset: { failing_since: '' } },
          after,
        );
  const found = moved ?? (await endpoints(connection).findOneAndUpdate({ _id: id }, { $set: set }, after));
  return found ? toEndpoint(found) : undefined;
}

/** For which endpoints only `disableEndpoint` is meant. */
export interface DisableCondition {
  /** It is still at this address. */
  readonly url: string;
  /** It has taken nothing since then, or longer. */
  readonly failingSince?: number | undefined;
}

/** @returns false when the endpoint was not enabled, or the condition does not hold */
export async function disableEndpoint(
  connection: Connection,
  id: string,
  reason: string,
  condition?: DisableCondition,
): Promise<boolean> {
  const { from, to } = ENDPOINT_TRANSITIONS.disable;
  const failingSince = condition?.failingSince;
  const updated = await endpoints(connection).updateOne(
    {
      _id: id,
      status: from,
      ...(condition ? { url: condition.url } : {}),
      ...(failingSince === undefined ? {} : { failing_since: { $lte: new Date(failingSince) } }),
    },
    { $set: { status: to, disabled_reason: reason, updated_at: new Date() } },
  );
  return updated.matchedCount === 1;
}

/** Its failures are forgotten. @returns false when the endpoint was not disabled */
export async function enableEndpoint(connection: Connection, id: string): Promise<boolean> {
  const { from, to } = ENDPOINT_TRANSITIONS.enable;
  const updated = await endpoints(connection).updateOne(
    { _id: id, status: from },
    {
      $set: { status: to, updated_at: new Date() },
      $unset: { disabled_reason: '', failing_since: '' },
    },
  );
  return updated.matchedCount === 1;
}

/** @returns false when there was none */
export async function removeEndpoint(connection: Connection, id: string): Promise<boolean> {
  return (await endpoints(connection).deleteOne({ _id: id })).deletedCount === 1;
}

/**
 * Replaces the secret, or in time nothing; the one before goes on signing for a day, and those before it until their own
 * day is over.
 *
 * @param before - the sealed secret that is replaced
 * @param since - when the client began to wait, in `performance.now()`
 * @returns nothing when it is another one by now, or the endpoint is gone
 * @throws TooManyPreviousSecretsError
 */
export async function rotateSecret(
  connection: Connection,
  id: string,
  before: string,
  secret: string,
  since = performance.now(),
): Promise<WebhookEndpoint | undefined> {
  const rotate = async (session: ClientSession) => {
    const current = await endpoints(connection).findOne({ _id: id, secret: before }, { session });
    if (!current) return undefined;
    const now = Date.now();
    const replaced = { sealed: before, until: now + ROTATION_MILLISECONDS };
    const previous = [replaced, ...signingPreviousSecrets(toEndpoint(current), now)];
    if (previous.length > MOST_PREVIOUS_SECRETS) throw new TooManyPreviousSecretsError();
    const found = await endpoints(connection).findOneAndUpdate(
      { _id: id, secret: before },
      { $set: { secret, ...storedPrevious(previous), updated_at: new Date(now) } },
      { returnDocument: 'after', session },
    );
    return found ? toEndpoint(found) : undefined;
  };
  return inTransaction(connection, rotate, timeToWrite(since));
}

/** The same secrets under another seal. Changes nothing when the endpoint has another secret by now. */
export async function resealSecrets(
  connection: Connection,
  endpoint: Pick<WebhookEndpoint, 'id' | 'secret'>,
  sealed: Pick<WebhookEndpoint, 'secret' | 'previous_secrets'>,
): Promise<void> {
  await endpoints(connection).updateOne(
    { _id: endpoint.id, secret: endpoint.secret },
    { $set: { secret: sealed.secret, ...storedPrevious(sealed.previous_secrets) } },
  );
}

/** An endpoint at the address to which an attempt went. What comes of the attempt says nothing of another address. */
export type AttemptedEndpoint = Pick<WebhookEndpoint, 'id' | 'url'>;

function storedPrevious([latest, ...earlier]: readonly PreviousSecret[]) {
  if (!latest) return {};
  return {
    previous_secret: latest.sealed,
    previous_secret_until: new Date(latest.until),
    earlier_secrets: earlier.map(({ sealed, until }) => ({ secret: sealed, until: new Date(until) })),
  };
}

/** The endpoint took something: whatever went wrong before is over. */
export async function noteSuccess(connection: Connection, { id, url }: AttemptedEndpoint): Promise<void> {
  await endpoints(connection).updateOne(
    { _id: id, url, failing_since: { $exists: true } },
    { $unset: { failing_since: '' } },
  );
}

/** Remembers the first failure since the last success. */
export async function noteFailure(
  connection: Connection,
  { id, url }: AttemptedEndpoint,
  at: number,
): Promise<void> {
  await endpoints(connection).updateOne(
    { _id: id, url, failing_since: { $exists: false } },
    { $set: { failing_since: new Date(at) } },
  );
}

function toEndpoint(document: EndpointDocument): WebhookEndpoint {
  const { previous_secret: sealed, previous_secret_until: until, earlier_secrets: earlier = [] } = document;
  return {
    id: document._id,
    url: document.url,
    events: document.events,
    description: document.description,
    status: document.status,
    disabled_reason: document.disabled_reason,
    failing_since: document.failing_since?.getTime(),
    created_at: document.created_at.getTime(),
    updated_at: document.updated_at.getTime(),
    secret: document.secret,
    previous_secrets: [
      ...(sealed !== undefined && until !== undefined ? [{ sealed, until: until.getTime() }] : []),
      ...earlier.map((previous) => ({ sealed: previous.secret, until: previous.until.getTime() })),
    ],
  };
}
