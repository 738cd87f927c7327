import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { UsageEvent } from '../domain/usage/report.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const COLLECTION = 'usage_relay_outbox';

/** Stored reports that the relay has still to post, written in the transaction that stores them. */
const outboxSchema = new Schema(
  {
    /** The record id. */
    _id: { type: Number, required: true },
    user_id: { type: Number, required: true },
    received_at: { type: Date, required: true },
  },
  { collection: COLLECTION, versionKey: false, strict: 'throw' },
);
outboxSchema.index({ user_id: 1, received_at: 1, _id: 1 });

export async function prepareUsageRelayOutbox(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageRelayOutbox', outboxSchema);
}

interface OutboxDocument {
  _id: number;
  user_id: number;
  received_at: Date;
}

/** A stored report that is still to be posted. */
export interface RelayEntry {
  readonly record_id: number;
  readonly received_at: number;
}

function outbox(connection: Connection) {
  return usable(connection).collection<OutboxDocument>(COLLECTION);
}

/** A counter entry stays here: the contract has no word for taking a report back. */
export async function addToRelayOutbox(
  connection: Connection,
  events: readonly UsageEvent[],
  session: ClientSession,
): Promise<void> {
  const reports = events.filter((event) => event.voids === undefined);
  if (reports.length === 0) return;
  await outbox(connection).insertMany(
    reports.map((event) => ({
      _id: event.record_id,
      user_id: event.user_id,
      received_at: new Date(event.received_at),
    })),
    { session, ordered: false },
  );
}

/** What a user has to be posted, in the order of acceptance. */
export async function findRelayEntries(
  connection: Connection,
  userId: number,
  limit: number,
): Promise<RelayEntry[]> {
  const found = await outbox(connection)
    .find({ user_id: userId })
    .sort({ user_id: 1, received_at: 1, _id: 1 })
    .limit(limit)
    .toArray();
  return found.map((document) => ({
    record_id: Number(document._id),
    received_at: document.received_at.getTime(),
  }));
}

/** Takes a report off the list: it was posted, or it was parked. Repeating it changes nothing. */
export async function removeRelayEntry(connection: Connection, recordId: number): Promise<void> {
  await outbox(connection).deleteOne({ _id: recordId });
}

/**
 * A page of the users that have something to be posted, by id. Jumps from user to user in the index, so that it costs as
 * many steps as there are users, however much waits for each.
 */
export async function findUsersToRelay(
  connection: Connection,
  after: number,
  limit: number,
): Promise<number[]> {
  const users: number[] = [];
  let last = after;
  while (users.length < limit) {
    const [next] = await outbox(connection)
      .find({ user_id: { $gt: last } }, { projection: { user_id: 1 } })
      .sort({ user_id: 1, received_at: 1, _id: 1 })
      .limit(1)
      .toArray();
    if (!next) break;
    last = Number(next.user_id);
    users.push(last);
  }
  return users;
}
