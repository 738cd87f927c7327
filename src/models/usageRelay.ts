import { type ClientSession, type Connection, Schema } from 'mongoose';
import type { UsageEvent } from '../domain/usage/report.ts';
import { createMissing } from './createMissing.ts';

/** Stored reports that the relay has still to post, written in the transaction that stores them. */
const outboxSchema = new Schema(
  {
    /** The record id. */
    _id: { type: Number, required: true },
    user_id: { type: Number, required: true },
    received_at: { type: Date, required: true },
  },
  { collection: 'usage_relay_outbox', versionKey: false, strict: 'throw' },
);
outboxSchema.index({ user_id: 1, received_at: 1, _id: 1 });

export async function prepareUsageRelay(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageRelayOutbox', outboxSchema);
}

interface OutboxDocument {
  _id: number;
  user_id: number;
  received_at: Date;
}

function outbox(connection: Connection) {
  return connection.collection<OutboxDocument>('usage_relay_outbox');
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
