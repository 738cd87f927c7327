import { type ClientSession, type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const captureSchema = new Schema(
  {
    /** The digest of the caller's reference. */
    _id: { type: String, required: true },
    reservation_id: { type: String, required: true },
    amount: { type: Number, required: true },
    description: { type: String, required: true },
    project_code: String,
    at: { type: Date, required: true },
  },
  { collection: 'remote_captures', versionKey: false, strict: 'throw' },
);
captureSchema.index({ reservation_id: 1 });

export async function prepareRemoteCaptures(connection: Connection): Promise<void> {
  await createMissing(connection, 'RemoteCapture', captureSchema);
}

/** A part of a reservation that was used up. The other server does not know of it. */
export interface RemoteCapture {
  readonly _id: string;
  readonly reservation_id: string;
  readonly amount: number;
  readonly description: string;
  readonly project_code: string | null;
  readonly at: Date;
}

function captures(connection: Connection) {
  return usable(connection).collection<RemoteCapture>('remote_captures');
}

export async function findRemoteCapture(
  connection: Connection,
  captureId: string,
  session: ClientSession,
): Promise<RemoteCapture | undefined> {
  return (await captures(connection).findOne({ _id: captureId }, { session })) ?? undefined;
}

/** Written in the transaction that takes the amount off its reservation. */
export async function addRemoteCapture(
  connection: Connection,
  capture: RemoteCapture,
  session: ClientSession,
): Promise<void> {
  await captures(connection).insertOne(capture, { session });
}
