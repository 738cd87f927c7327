import type { ClientSession, Connection } from 'mongoose';
import { ACTIVE_STATUSES, canRetry, type IconBatch, isActive } from '../domain/icons/batch.ts';
import { completedEvent, failedEvent, progressEvent } from '../domain/icons/batchEvents.ts';
import type { BatchRequest } from '../domain/icons/batchRequest.ts';
import { type IconImage, OPEN_STATUSES } from '../domain/icons/icon.ts';
import { addToEventOutbox } from './eventOutbox.ts';
import { type BatchChange, changeBatch, readBatch } from './iconBatchChanges.ts';
import { askAgain, endImages, type NewRound, openImages } from './iconBatchImages.ts';
import { keepBatchMetadata } from './iconBatchMetadata.ts';
import { type MonthlyBudget, takeFromBudget } from './iconBudgets.ts';
import { type BatchDocument, batches, confirmableSince, images, toBatch } from './iconDocuments.ts';
import { type NewImage, newDocument } from './iconImages.ts';
import { takeReservation } from './iconReservations.ts';
import { countInStats } from './iconStats.ts';
import { inTransaction } from './transaction.ts';

/** A batch as it is asked for. */
export type NewBatch = Pick<BatchRequest, 'metadata'> &
  Pick<
    IconBatch,
    | 'batch_id'
    | 'owner'
    | 'categories'
    | 'variations'
    | 'style'
    | 'color_scheme'
    | 'concurrency'
    | 'credits_user_id'
    | 'reservation_id'
  >;

/** What is left to do when nothing of a batch's flow runs any more. */
export type BatchEnd =
  /** All images are final; unused credits are to be released, then `markSettled`. */
  | {
      readonly kind: 'finished';
      readonly batch: IconBatch;
      /** For `startFanOut`; none when it was told before. */
      readonly event_ids: string[];
    }
  /** Jobs of these images are to be added again; as many as may run at a time. */
  | { readonly kind: 'unfinished'; readonly images: IconImage[] }
  /** Nothing: the round is closed, or the batch is gone. */
  | { readonly kind: 'settled' };

/** What a retry of the failed images did. */
export type Retry =
  | {
      readonly kind: 'retried';
      readonly batch: IconBatch;
      /** All that run again, by index. The first `batch.concurrency` of them are marked as queued: add their jobs. */
      readonly images: IconImage[];
    }
  | { readonly kind: 'over-budget' }
  /** The round before is being closed, which takes a moment. */
  | { readonly kind: 'unsettled' }
  /** There is no such batch, it has not ended, was cancelled, or none of its images failed. */
  | { readonly kind: 'nothing-failed' };

/** More than anybody watches at a time. */
const MOST_ACTIVE_BATCHES = 1_000;
const CANCELLED = 'Cancelled';

/**
 * Keeps a batch with all its images. The first `concurrency` images are marked as queued: add their jobs.
 *
 * @returns `over-budget`, and nothing is kept, when the images are too many in the month
 * @throws ServiceUnavailableError when its credits are being given back already
 */
export async function createBatch(
  connection: Connection,
  batch: NewBatch,
  newImages: readonly NewImage[],
  budget: MonthlyBudget | undefined,
): Promise<'created' | 'over-budget'> {
  return inTransaction(connection, async (session) => {
    if (!(await takeFromBudget(connection, batch.owner, newImages.length, budget, session))) {
      return 'over-budget';
    }
    await takeReservation(connection, batch.reservation_id, session);
    await batches(connection).insertOne(newBatchDocument(batch, newImages.length), { session });
    await keepBatchMetadata(connection, batch.batch_id, batch.metadata, session);
    await images(connection).insertMany(
      newImages.map((image) => newDocument(image, image.index < batch.concurrency, budget)),
      { session },
    );
    await countInStats(connection, { batches: 1 }, session);
    return 'created';
  });
}

/**
 * It is about to be queued, and its sender to be told so. What is not confirmed is cancelled by the sweep.
 *
 * @returns false when it is too late for that
 */
export async function confirmBatch(connection: Connection, batchId: string): Promise<boolean> {
  const confirmed = await batches(connection).updateOne(
    { _id: batchId, status: 'pending', created_at: { $gt: confirmableSince() } },
    { $set: { confirmed: true } },
  );
  return confirmed.matchedCount === 1;
}

export async function findBatch(connection: Connection, batchId: string): Promise<IconBatch | undefined> {
  const found = await batches(connection).findOne({ _id: batchId });
  return found ? toBatch(found) : undefined;
}

/** Batches of an owner, the newest first. */
export async function listBatches(
  connection: Connection,
  owner: string,
  limit: number,
): Promise<IconBatch[]> {
  const found = await batches(connection)
    .find({ owner })
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map(toBatch);
}

/** Batches of an owner that are pending or running; of very many the newest. */
export async function listActiveBatches(connection: Connection, owner: string): Promise<IconBatch[]> {
  const found = await activeBatches(connection, [owner]).toArray();
  return found.map(toBatch);
}

/** The same of many owners, and only which they are: for whoever looks every few seconds. */
export async function listActiveBatchIds(
  connection: Connection,
  owners: readonly string[],
): Promise<Pick<IconBatch, 'batch_id' | 'owner'>[]> {
  const found = await activeBatches(connection, owners)
    .project<Pick<BatchDocument, '_id' | 'owner'>>({ owner: 1 })
    .toArray();
  return found.map(({ _id, owner }) => ({ batch_id: _id, owner }));
}

/**
 * Cancels a batch: no call begins for it after the commit. Calls that run end by themselves.
 *
 * @returns the batch afterwards; nothing when there is none, or it has ended
 */
export async function cancelBatch(connection: Connection, batchId: string): Promise<IconBatch | undefined> {
  return inTransaction(connection, async (session) => {
    const batch = await readBatch(connection, batchId, session);
    if (!batch || !isActive(batch)) return undefined;
    const cancelled = await endImages(connection, batch, 'cancelled', CANCELLED, ['pending'], session);
    return changeBatch(
      connection,
      batch,
      { status: 'cancelled', cancelled: batch.cancelled + cancelled, completed_at: Date.now() },
      (after) => [progressEvent(after)],
      session,
    );
  });
}

/**
 * Ends a batch that does not go on: what is open fails; in a cancelled batch it is cancelled, and the batch stays so. While
 * an image is being delivered the batch goes on: the end of that image is its next progress.
 *
 * @param reason - for people
 * @param progressedBefore - leaves a batch alone in which something happened since then
 * @returns the batch afterwards; nothing when nothing changed
 */
export async function failBatch(
  connection: Connection,
  batchId: string,
  reason: string,
  progressedBefore = Number.POSITIVE_INFINITY,
): Promise<IconBatch | undefined> {
  return inTransaction(connection, async (session) => {
    const batch = await readBatch(connection, batchId, session);
    if (!batch || batch.progressed_at > progressedBefore) return undefined;
    if (batch.status === 'cancelled') return cancelRest(connection, batch, reason, session);
    if (!isActive(batch) || (await isDelivering(connection, batch, session))) return undefined;
    const failed = await endImages(connection, batch, 'failed', reason, OPEN_STATUSES, session);
    await countInStats(connection, { failed }, session);
    return changeBatch(
      connection,
      batch,
      { status: 'failed', error: reason, failed: batch.failed + failed, completed_at: Date.now() },
      (after) => [progressEvent(after), failedEvent(after, reason)],
      session,
    );
  });
}

/**
 * Runs the failed images of a completed or failed batch again, in a new round.
 *
 * @throws ServiceUnavailableError when the round's credits are being given back already
 */
export async function retryFailed(
  connection: Connection,
  batchId: string,
  round: NewRound,
  budget: MonthlyBudget | undefined,
): Promise<Retry> {
  return inTransaction<Retry>(connection, async (session) => {
    const batch = await readBatch(connection, batchId, session);
    if (!batch || !canRetry(batch)) return { kind: 'nothing-failed' };
    if (!batch.settled) return { kind: 'unsettled' };
    if (!(await takeFromBudget(connection, batch.owner, batch.failed, budget, session))) {
      return { kind: 'over-budget' };
    }
    await takeReservation(connection, round.reservation_id, session);
    const again = await askAgain(connection, batch, round, budget, session);
    const after = await changeBatch(
      connection,
      batch,
      {
        status: 'running',
        failed: 0,
        completed_at: null,
        round: batch.round + 1,
        round_started_at: null,
        done_before_round: batch.successful,
        reservation_id: round.reservation_id,
        error: null,
        settled: false,
      },
      () => [],
      session,
    );
    return { kind: 'retried', batch: after, images: again };
  });
}

/**
 * Brings a round of a batch to its end, when all its images are final. May be repeated.
 *
 * @param round - the one whose end it would be
 */
export async function finishBatch(connection: Connection, batchId: string, round: number): Promise<BatchEnd> {
  return inTransaction<BatchEnd>(connection, async (session) => {
    const found = await batches(connection).findOne({ _id: batchId }, { session });
    if (!found || found.round !== round || found.settled) return { kind: 'settled' };
    const batch = toBatch(found);
    const open = await openImages(connection, batch, session);
    if (open.length > 0) return { kind: 'unfinished', images: open };
    if (found.finished_round === round) return { kind: 'finished', batch, event_ids: [] };
    const after = isActive(batch) ? await completeBatch(connection, batch, session) : batch;
    const event_ids = await addToEventOutbox(connection, [finishedEvent(after)], session);
    await batches(connection).updateOne({ _id: batchId }, { $set: { finished_round: round } }, { session });
    return { kind: 'finished', batch: after, event_ids };
  });
}

/** Closes a finished round, after its unused credits were given back. */
export async function markSettled(connection: Connection, batchId: string, round: number): Promise<void> {
  await batches(connection).updateOne(
    { _id: batchId, round, finished_round: round, settled: false },
    { $set: { settled: true } },
  );
}

function activeBatches(connection: Connection, owners: readonly string[]) {
  return batches(connection)
    .find({ status: { $in: ACTIVE_STATUSES }, owner: { $in: [...owners] } })
    .sort({ created_at: -1 })
    .limit(MOST_ACTIVE_BATCHES);
}

function newBatchDocument({ batch_id, metadata: _kept, ...batch }: NewBatch, total: number): BatchDocument {
  const now = new Date();
  return {
    ...batch,
    _id: batch_id,
    status: 'pending',
    total,
    successful: 0,
    failed: 0,
    cancelled: 0,
    current_category: null,
    created_at: now,
    started_at: null,
    completed_at: null,
    progressed_at: now,
    round: 1,
    round_started_at: null,
    done_before_round: 0,
    event_seq: 0,
    error: null,
    settled: false,
    confirmed: false,
    finished_round: 0,
    calls_begun: 0,
  };
}

async function isDelivering(
  connection: Connection,
  { batch_id }: IconBatch,
  session: ClientSession,
): Promise<boolean> {
  return (await images(connection).findOne({ batch_id, status: 'delivering' }, { session })) !== null;
}

async function cancelRest(
  connection: Connection,
  batch: IconBatch,
  reason: string,
  session: ClientSession,
): Promise<IconBatch | undefined> {
  const rest = await endImages(connection, batch, 'cancelled', reason, OPEN_STATUSES, session);
  if (rest === 0) return undefined;
  return changeBatch(connection, batch, { cancelled: batch.cancelled + rest }, () => [], session);
}

async function completeBatch(
  connection: Connection,
  batch: IconBatch,
  session: ClientSession,
): Promise<IconBatch> {
  const change: BatchChange = { status: 'completed', completed_at: Date.now() };
  return changeBatch(connection, batch, change, (after) => [completedEvent(after)], session);
}

function finishedEvent(batch: IconBatch) {
  return {
    type: 'icons.batch_finished' as const,
    at: Date.now(),
    data: {
      owner: batch.owner,
      batch_id: batch.batch_id,
      status: batch.status,
      total: batch.total,
      successful: batch.successful,
      failed: batch.failed,
      ...(batch.credits_user_id === null ? {} : { credits_user_id: batch.credits_user_id }),
    },
  };
}
