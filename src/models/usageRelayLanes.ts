import { randomUUID } from 'node:crypto';
import { type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { isDuplicateKey } from './transaction.ts';

const COLLECTION = 'usage_relay_lanes';

/**
 * The relay posts a user's reports one after the other: each user is a lane of its own, which one worker at a time holds
 * by a lease. The lane also remembers its failures, so that a pause outlives restarts and holds no worker.
 *
 * Leases are compared with the workers' own clocks. Clocks that differ by more than the reserve of a lease can let two
 * workers post for one user at once; the idempotency key still keeps each report single.
 */
const laneSchema = new Schema(
  {
    /** The user id. */
    _id: { type: Number, required: true },
    lease_token: String,
    lease_expires_at: { type: Date, required: true },
    next_attempt_at: { type: Date, required: true },
    /** Failed posts in a row. */
    failures: { type: Number, required: true },
    /** The report that could not be posted, and since when. */
    failing_record_id: Number,
    failing_since: Date,
  },
  { collection: COLLECTION, versionKey: false, strict: 'throw' },
);

/** A killed worker's lane is free again after this time. */
export const LANE_LEASE_MILLISECONDS = 15_000;

export async function prepareUsageRelayLanes(connection: Connection): Promise<void> {
  await createMissing(connection, 'UsageRelayLane', laneSchema);
}

interface LaneDocument {
  _id: number;
  lease_token?: string;
  lease_expires_at: Date;
  next_attempt_at: Date;
  failures: number;
  failing_record_id?: number;
  failing_since?: Date;
}

/** What keeps a lane from going on. */
export interface LaneTrouble {
  readonly failures: number;
  readonly recordId: number;
  /** First failure of this report, in milliseconds. */
  readonly since: number;
}

export interface LaneLease {
  readonly userId: number;
  readonly token: string;
  readonly expiresAt: number;
  readonly trouble: LaneTrouble | undefined;
}

export type LaneTurn =
  | { readonly kind: 'leased'; readonly lease: LaneLease }
  /** Another worker holds the lane. */
  | { readonly kind: 'busy' }
  /** The lane pauses after a failure, until that time in milliseconds. */
  | { readonly kind: 'resting'; readonly until: number };

function lanes(connection: Connection) {
  return usable(connection).collection<LaneDocument>(COLLECTION);
}

const FREE = new Date(0);

/** Takes the lane if nobody holds it and its pause is over. */
export async function leaseLane(connection: Connection, userId: number): Promise<LaneTurn> {
  const now = Date.now();
  const token = randomUUID();
  const expiresAt = now + LANE_LEASE_MILLISECONDS;
  const claim = { lease_token: token, lease_expires_at: new Date(expiresAt) };
  const free = {
    _id: userId,
    lease_expires_at: { $lte: new Date(now) },
    next_attempt_at: { $lte: new Date(now) },
  };
  const lane = await lanes(connection).findOneAndUpdate(free, { $set: claim }, { returnDocument: 'after' });
  if (lane) return leased(lane, token);
  const taken = await lanes(connection).findOne({ _id: userId });
  if (!taken) return await firstLease(connection, userId, claim);
  if (taken.next_attempt_at.getTime() > now) {
    return { kind: 'resting', until: taken.next_attempt_at.getTime() };
  }
  return { kind: 'busy' };
}

async function firstLease(
  connection: Connection,
  userId: number,
  claim: { lease_token: string; lease_expires_at: Date },
): Promise<LaneTurn> {
  const lane: LaneDocument = { _id: userId, ...claim, next_attempt_at: FREE, failures: 0 };
  try {
    await lanes(connection).insertOne(lane);
    return leased(lane, claim.lease_token);
  } catch (error) {
    if (isDuplicateKey(error)) return { kind: 'busy' };
    throw error;
  }
}

/** @returns the prolonged lease, or nothing when somebody else has taken the lane since it ran out */
export async function renewLease(connection: Connection, lease: LaneLease): Promise<LaneLease | undefined> {
  const expiresAt = Date.now() + LANE_LEASE_MILLISECONDS;
  const renewed = await lanes(connection).updateOne(
    { _id: lease.userId, lease_token: lease.token },
    { $set: { lease_expires_at: new Date(expiresAt) } },
  );
  return renewed.matchedCount === 1 ? { ...lease, expiresAt } : undefined;
}

/** Gives the lane back with what it remembers. Changes nothing when somebody else has taken it. */
export async function releaseLane(
  connection: Connection,
  lease: LaneLease,
  memory: { readonly trouble: LaneTrouble | undefined; readonly nextAttemptAt: number },
): Promise<void> {
  const { trouble } = memory;
  const kept = { lease_expires_at: FREE, next_attempt_at: new Date(memory.nextAttemptAt) };
  await lanes(connection).updateOne(
    { _id: lease.userId, lease_token: lease.token },
    trouble
      ? {
          $set: {
            ...kept,
            failures: trouble.failures,
            failing_record_id: trouble.recordId,
            failing_since: new Date(trouble.since),
          },
        }
      : { $set: { ...kept, failures: 0 }, $unset: { failing_record_id: '', failing_since: '' } },
  );
}

/** Gives the lane back as it was, for a run that ends before it has come to a result. */
export async function abandonLane(connection: Connection, lease: LaneLease): Promise<void> {
  await lanes(connection).updateOne(
    { _id: lease.userId, lease_token: lease.token },
    { $set: { lease_expires_at: FREE } },
  );
}

/** Which of the users' lanes pause now. */
export async function findRestingLanes(
  connection: Connection,
  userIds: readonly number[],
): Promise<Set<number>> {
  const resting = await lanes(connection)
    .find({ _id: { $in: [...userIds] }, next_attempt_at: { $gt: new Date() } }, { projection: { _id: 1 } })
    .toArray();
  return new Set(resting.map((lane) => Number(lane._id)));
}

function leased(lane: LaneDocument, token: string): LaneTurn {
  const trouble =
    lane.failing_record_id !== undefined && lane.failing_since !== undefined
      ? {
          failures: Number(lane.failures),
          recordId: Number(lane.failing_record_id),
          since: lane.failing_since.getTime(),
        }
      : undefined;
  const expiresAt = lane.lease_expires_at.getTime();
  return { kind: 'leased', lease: { userId: Number(lane._id), token, expiresAt, trouble } };
}
