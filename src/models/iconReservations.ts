import { type ClientSession, type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { ServiceUnavailableError } from '../runtime/outage.ts';
import { createMissing } from './createMissing.ts';

/** Credits that are set aside, or about to be, and belong to no icons yet, or to none any more. */
const reservationSchema = new Schema(
  {
    /** The reservation id. */
    _id: { type: String, required: true },
    at: { type: Date, required: true },
    /** Whether it is being given back, so that nothing can be kept with it any more. */
    abandoned: { type: Boolean, required: true },
  },
  { collection: 'icon_reservations', versionKey: false, strict: 'throw' },
);
reservationSchema.index({ at: 1 });

interface ReservationDocument {
  _id: string;
  at: Date;
  abandoned: boolean;
}

export async function prepareIconReservations(connection: Connection): Promise<void> {
  await createMissing(connection, 'IconReservation', reservationSchema);
}

/** Comes before the credits are set aside, so that they are found when the answer is lost or the process killed. */
export async function intendReservation(connection: Connection, reservationId: string): Promise<void> {
  await reservations(connection).updateOne(
    { _id: reservationId },
    { $set: { abandoned: false }, $currentDate: { at: true } },
    { upsert: true },
  );
}

/**
 * The credits belong to the icons that the same transaction keeps.
 *
 * @throws ServiceUnavailableError when they are being given back already: nothing may be kept then
 */
export async function takeReservation(
  connection: Connection,
  reservationId: string | null,
  session: ClientSession,
): Promise<void> {
  if (reservationId === null) return;
  const taken = await reservations(connection).deleteOne(
    { _id: reservationId, abandoned: false },
    { session },
  );
  if (taken.deletedCount === 0) throw new ServiceUnavailableError('The start took too long; try again', 1);
}

/**
 * The credits belong to an icon that the same transaction ends without one. Release them, then `forgetReservation`; what dies
 * in between the sweep makes up for.
 */
export async function leaveReservation(
  connection: Connection,
  reservationId: string | null,
  session: ClientSession,
): Promise<void> {
  if (reservationId === null) return;
  await reservations(connection).updateOne(
    { _id: reservationId },
    { $set: { abandoned: true }, $currentDate: { at: true } },
    { upsert: true, session },
  );
}

/**
 * Finds what was set aside before and belongs to nothing. Nothing can be kept with it from now on: release it, then
 * `forgetReservation`.
 *
 * @param before - milliseconds of the store's clock; longer ago than setting aside and keeping take
 */
export async function abandonReservations(
  connection: Connection,
  before: number,
  limit: number,
): Promise<string[]> {
  const old = await reservations(connection)
    .find({ at: { $lte: new Date(before) } }, { projection: { _id: 1 } })
    .sort({ at: 1 })
    .limit(limit)
    .toArray();
  const ids = old.map(({ _id }) => _id);
  await reservations(connection).updateMany({ _id: { $in: ids } }, { $set: { abandoned: true } });
  // What was taken meanwhile is gone.
  const abandoned = await reservations(connection)
    .find({ _id: { $in: ids }, abandoned: true }, { projection: { _id: 1 } })
    .toArray();
  return abandoned.map(({ _id }) => _id);
}

/** Nothing is set aside under it any more, or never was. */
export async function forgetReservation(connection: Connection, reservationId: string): Promise<void> {
  await reservations(connection).deleteOne({ _id: reservationId });
}

function reservations(connection: Connection) {
  return usable(connection).collection<ReservationDocument>('icon_reservations');
}
