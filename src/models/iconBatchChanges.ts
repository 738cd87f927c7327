import type { ClientSession, Connection } from 'mongoose';
import { BATCH_TRANSITIONS, type BatchStatus, type IconBatch } from '../domain/icons/batch.ts';
import { categoryOfSlice } from '../domain/icons/batchEvents.ts';
import type { BatchEventContent } from '../domain/icons/events.ts';
import { batches, toBatch } from './iconDocuments.ts';
import { addEvents } from './iconEvents.ts';

/** No change of this kind stands in the table of transitions: a defect. */
export class ForbiddenBatchTransitionError extends Error {
  override name = 'ForbiddenBatchTransitionError';

  constructor(from: BatchStatus, to: BatchStatus) {
    super(`An icon batch does not go from ${from} to ${to}`);
  }
}

/** The batch is not as the transaction has read it: a write without a transaction, a defect. */
export class ForeignBatchWriteError extends Error {
  override name = 'ForeignBatchWriteError';

  constructor(batchId: string) {
    super(`The icon batch ${batchId} is not as the transaction has read it`);
  }
}

/** What of a batch changes by what becomes of its images and of itself. */
export type BatchChange = Partial<
  Pick<
    IconBatch,
    | 'status'
    | 'successful'
    | 'failed'
    | 'cancelled'
    | 'started_at'
    | 'completed_at'
    | 'round'
    | 'round_started_at'
    | 'done_before_round'
    | 'error'
    | 'reservation_id'
    | 'settled'
  >
>;

export async function readBatch(
  connection: Connection,
  batchId: string,
  session: ClientSession,
): Promise<IconBatch | undefined> {
  const found = await batches(connection).findOne({ _id: batchId }, { session });
  return found ? toBatch(found) : undefined;
}

/**
 * Changes a batch that the same transaction has read, and writes the events of the change with the next numbers.
 *
 * @param eventsOf - what watchers are told, given the batch as it is then
 * @returns the batch as it is then
 */
export async function changeBatch(
  connection: Connection,
  before: IconBatch,
  change: BatchChange,
  eventsOf: (after: IconBatch) => readonly BatchEventContent[],
  session: ClientSession,
): Promise<IconBatch> {
  const to = change.status ?? before.status;
  if (to !== before.status && !BATCH_TRANSITIONS[before.status].includes(to)) {
    throw new ForbiddenBatchTransitionError(before.status, to);
  }
  const changed = { ...before, ...change };
  const running = to === 'running' ? { ...changed, current_category: categoryOfSlice(changed) } : changed;
  const contents = eventsOf(running);
  const after = { ...running, event_seq: before.event_seq + contents.length };
  const progressed_at = await writeBatch(connection, before, after, session);
  await addEvents(connection, before.batch_id, before.event_seq + 1, contents, session);
  return { ...after, progressed_at };
}

/** @returns its `progressed_at` */
async function writeBatch(
  connection: Connection,
  before: IconBatch,
  after: IconBatch,
  session: ClientSession,
): Promise<number> {
  const written = await batches(connection).findOneAndUpdate(
    { _id: before.batch_id, status: before.status, event_seq: before.event_seq },
    {
      $set: {
        status: after.status,
        successful: after.successful,
        failed: after.failed,
        cancelled: after.cancelled,
        current_category: after.current_category,
        started_at: toDate(after.started_at),
        completed_at: toDate(after.completed_at),
        round: after.round,
        round_started_at: toDate(after.round_started_at),
        done_before_round: after.done_before_round,
        event_seq: after.event_seq,
        error: after.error,
        reservation_id: after.reservation_id,
        settled: after.settled,
      },
      // Of one clock for the whole fleet: the sweep compares it with the same.
      $currentDate: { progressed_at: true },
    },
    { session, returnDocument: 'after', projection: { progressed_at: 1 } },
  );
  if (!written) throw new ForeignBatchWriteError(before.batch_id);
  return written.progressed_at.getTime();
}

/** What a batch, and its round, becomes when something begins or ends in it. */
export function asStarted(batch: IconBatch): BatchChange {
  const now = Date.now();
  return {
    ...(batch.status === 'pending' ? { status: 'running', started_at: now } : {}),
    ...(batch.round_started_at === null ? { round_started_at: now } : {}),
  };
}

function toDate(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds);
}
