import { type ClientSession, type Connection, Schema } from 'mongoose';
import {
  FINDINGS,
  type Finding,
  OPERATOR_STATES,
  type OperatorState,
  REMOTE_RESERVATION_TRANSITIONS,
  type RemoteReservationState,
} from '../domain/credits/remoteReservation.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { isDuplicateKey } from './transaction.ts';

/** What is set aside on a server that knows no holds; the only record of it there is. Kept for ever, with its reference. */
const reservationSchema = new Schema(
  {
    /** The reservation id. */
    _id: { type: String, required: true },
    reference: { type: String, required: true },
    user_id: { type: String, required: true },
    amount: { type: Number, required: true },
    app_name: { type: String, required: true },
    description: { type: String, required: true },
    expires_in_milliseconds: { type: Number, required: true },
    created_at: { type: Date, required: true },
    expires_at: { type: Date, required: true },
    state: { type: String, required: true },
    /** What is not captured yet; after the release, what goes back. */
    remaining: { type: Number, required: true },
    /** When upkeep has to look at it, in the states in which it has to. */
    due_at: Date,
    /** The call that runs, so that only its own answer settles it. */
    call: String,
    /** Calls that certainly had no effect: each gets a new idempotency key after them, and a longer pause. */
    failures: { type: Number, required: true },
    release_reference: String,
    /** Why it is in its state, when something went wrong. */
    problem: String,
    finding: String,
    found_at: Date,
  },
  { collection: 'remote_reservations', versionKey: false, strict: 'throw' },
);
reservationSchema.index({ state: 1, due_at: 1 });

export async function prepareRemoteReservations(connection: Connection): Promise<void> {
  await createMissing(connection, 'RemoteReservation', reservationSchema);
}

export interface RemoteReservation {
  readonly _id: string;
  readonly reference: string;
  readonly user_id: string;
  readonly amount: number;
  readonly app_name: string;
  readonly description: string;
  readonly expires_in_milliseconds: number;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly state: RemoteReservationState;
  readonly remaining: number;
  readonly due_at?: Date;
  readonly call?: string;
  readonly failures: number;
  readonly release_reference?: string;
  readonly problem?: string;
  readonly finding?: Finding;
  readonly found_at?: Date;
}

/** What changes together with the state. */
export type RemoteReservationChanges = Partial<
  Pick<RemoteReservation, 'due_at' | 'call' | 'failures' | 'problem' | 'release_reference' | 'expires_at'>
> & { readonly finding?: Finding; readonly found_at?: Date };

export interface RemoteReservationMove {
  readonly from: readonly RemoteReservationState[];
  readonly to: RemoteReservationState;
  /** Set with the state; `due_at`, `call` and `problem` are taken off unless they stand here. */
  readonly changes?: RemoteReservationChanges;
  /** Only the answer of this call makes the change. */
  readonly call?: string;
}

/** No change of this kind stands in the table of transitions: a defect. */
export class ForbiddenTransitionError extends Error {
  override name = 'ForbiddenTransitionError';

  constructor(from: RemoteReservationState, to: RemoteReservationState) {
    super(`A remote reservation does not go from ${from} to ${to}`);
  }
}

function reservations(connection: Connection) {
  return usable(connection).collection<RemoteReservation>('remote_reservations');
}

export async function findRemoteReservation(
  connection: Connection,
  reservationId: string,
  session?: ClientSession,
): Promise<RemoteReservation | undefined> {
  const found = await reservations(connection).findOne({ _id: reservationId }, session ? { session } : {});
  return found ?? undefined;
}

/** @returns false when somebody else was faster */
export async function addRemoteReservation(
  connection: Connection,
  reservation: RemoteReservation,
): Promise<boolean> {
  try {
    await reservations(connection).insertOne(reservation);
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}

/**
 * Changes the state, if it is one of `from` still.
 *
 * @returns the reservation as it is now, or nothing when it was in another state
 */
export async function moveRemoteReservation(
  connection: Connection,
  reservationId: string,
  { from, to, changes, call }: RemoteReservationMove,
  session?: ClientSession,
): Promise<RemoteReservation | undefined> {
  requireAllowed(from, to);
  const moved = await reservations(connection).findOneAndUpdate(
    { _id: reservationId, state: { $in: [...from] }, ...(call === undefined ? {} : { call }) },
    update(to, changes),
    { returnDocument: 'after', ...(session ? { session } : {}) },
  );
  return moved ?? undefined;
}

/**
 * Gives calls that have written down no answer in time to the operator. Their answer may still come, and is listened to
 * until the operator has found out.
 *
 * @returns how many these were
 */
export async function giveUpLostCalls(connection: Connection, now: Date): Promise<number> {
  const problem = 'the process ended before it wrote an answer down';
  const deductions = await moveDue(connection, 'deducting', 'deduct-unknown', now, { problem });
  return deductions + (await moveDue(connection, 'returning', 'return-unknown', now, { problem }));
}

/** It is not wanted any more: when it turns out to have been made, it has expired. Leaves alone what is known. */
export async function expireUncertain(
  connection: Connection,
  reservationId: string,
  now: Date,
): Promise<void> {
  await reservations(connection).updateOne(
    { _id: reservationId, state: { $in: ['deducting', 'deduct-unknown'] } },
    { $set: { expires_at: now } },
  );
}

/** Releases the reservations that have expired. */
export async function releaseExpired(connection: Connection, now: Date): Promise<void> {
  await moveDue(connection, 'reserved', 'return-due', now, { due_at: now, problem: 'expired' });
}

/** @returns how many were due */
async function moveDue(
  connection: Connection,
  from: RemoteReservationState,
  to: RemoteReservationState,
  now: Date,
  changes: RemoteReservationChanges,
): Promise<number> {
  requireAllowed([from], to);
  const moved = await reservations(connection).updateMany(
    { state: from, due_at: { $lte: now } },
    { $set: { state: to, ...changes }, ...('due_at' in changes ? {} : { $unset: { due_at: '' } }) },
  );
  return moved.modifiedCount;
}

/** Those that are to be added back by now, the longest waiting first. */
export async function findDueReturns(
  connection: Connection,
  now: Date,
  limit: number,
): Promise<RemoteReservation[]> {
  return reservations(connection)
    .find({ state: 'return-due', due_at: { $lte: now } })
    .sort({ state: 1, due_at: 1 })
    .limit(limit)
    .toArray();
}

/** The next attempt to add back, after one that could not begin. */
export async function postponeReturn(
  connection: Connection,
  reservationId: string,
  changes: { readonly due_at: Date; readonly failures: number; readonly problem: string },
): Promise<void> {
  await reservations(connection).updateOne({ _id: reservationId, state: 'return-due' }, { $set: changes });
}

/**
 * Takes an amount off what remains.
 *
 * @returns the reservation as it is now, or nothing when it is not open or has less left
 */
export async function takeFromReservation(
  connection: Connection,
  reservationId: string,
  amount: number,
  now: Date,
  session: ClientSession,
): Promise<RemoteReservation | undefined> {
  const taken = await reservations(connection).findOneAndUpdate(
    { _id: reservationId, state: 'reserved', expires_at: { $gt: now }, remaining: { $gte: amount } },
    { $inc: { remaining: -amount } },
    { session, returnDocument: 'after' },
  );
  return taken ?? undefined;
}

/** A page of those that wait for an operator, by id. */
export async function findReservationsForOperator(
  connection: Connection,
  after: string,
  limit: number,
): Promise<RemoteReservation[]> {
  return reservations(connection)
    .find({ state: { $in: [...OPERATOR_STATES] }, _id: { $gt: after } })
    .sort({ _id: 1 })
    .limit(limit)
    .toArray();
}

/**
 * Writes down what an operator found out, and goes on from there. An answer that comes later is not listened to.
 *
 * @returns the reservation as it is now, or nothing when none of that id waits for an operator
 */
export async function resolveRemoteReservation(
  connection: Connection,
  reservationId: string,
  finding: Finding,
): Promise<RemoteReservation | undefined> {
  const known = await findRemoteReservation(connection, reservationId);
  if (!known || !isForOperator(known.state)) return undefined;
  const to = FINDINGS[known.state][finding];
  const found = { finding, found_at: new Date() };
  return moveRemoteReservation(connection, reservationId, {
    from: [known.state],
    to,
    changes: { ...found, ...dueAfterFinding(known, to) },
  });
}

function update(to: RemoteReservationState, changes: RemoteReservationChanges = {}) {
  const unset = (['due_at', 'call', 'problem'] as const).filter((field) => changes[field] === undefined);
  return {
    $set: { state: to, ...changes },
    ...(unset.length > 0 ? { $unset: Object.fromEntries(unset.map((field) => [field, '' as const])) } : {}),
  };
}

function dueAfterFinding(known: RemoteReservation, to: RemoteReservationState): RemoteReservationChanges {
  if (to === 'reserved') return { due_at: known.expires_at };
  return to === 'return-due' ? { due_at: new Date() } : {};
}

function isForOperator(state: RemoteReservationState): state is OperatorState {
  return OPERATOR_STATES.some((other) => other === state);
}

function requireAllowed(from: readonly RemoteReservationState[], to: RemoteReservationState): void {
  for (const state of from) {
    if (!REMOTE_RESERVATION_TRANSITIONS[state].includes(to)) throw new ForbiddenTransitionError(state, to);
  }
}
