import type { ClientSession, Connection, mongo } from 'mongoose';
import type { IconBatch } from '../domain/icons/batch.ts';
import { completedEvent, failedEvent, progressEvent } from '../domain/icons/batchEvents.ts';
import type { IconImage } from '../domain/icons/icon.ts';
import { createMissing } from './createMissing.ts';
import { addToEventOutbox } from './eventOutbox.ts';
import { type BatchChange, changeBatch, readBatch } from './iconBatchChanges.ts';
import { giveBackToBudget, type MonthlyBudget, takeFromBudget } from './iconBudgets.ts';
import {
  type BatchDocument,
  batches,
  batchSchema,
  budgetSchema,
  callSchema,
  eventSchema,
  events,
  generationSchema,
  generations,
  type ImageDocument,
  iconFileSchema,
  imageSchema,
  images,
  statsSchema,
  toBatch,
  toImage,
} from './iconDocuments.ts';
import { type NewImage, newDocument, OPEN_IMAGES, statusesBefore } from './iconImages.ts';
import { countInStats } from './iconStats.ts';
import { inTransaction } from './transaction.ts';

export type { MonthlyBudget } from './iconBudgets.ts';

export async function prepareIcons(connection: Connection): Promise<void> {
  await createMissing(connection, 'IconBatch', batchSchema);
  await createMissing(connection, 'IconImage', imageSchema);
  await createMissing(connection, 'IconBatchEvent', eventSchema);
  await createMissing(connection, 'IconGeneration', generationSchema);
  await createMissing(connection, 'IconCall', callSchema);
  await createMissing(connection, 'IconFile', iconFileSchema);
  await createMissing(connection, 'IconStats', statsSchema);
  await createMissing(connection, 'IconBudget', budgetSchema);
}

/** A batch as it is asked for. */
export type NewBatch = Pick<
  IconBatch,
  | 'batch_id'
  | 'owner'
  | 'categories'
  | 'variations'
  | 'style'
  | 'color_scheme'
  | 'metadata'
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

/**
 * What a retry of the failed images did. `unsettled`: the round before is being closed, which takes a moment. Nothing: no
 * such batch, it is not completed, or none of its images failed.
 */
export type Retry =
  | {
      readonly batch: IconBatch;
      /** All that run again, by index. The first `batch.concurrency` of them are marked as queued: add their jobs. */
      readonly images: IconImage[];
    }
  | 'over-budget'
  | 'unsettled'
  | undefined;

/** More than anybody watches at a time. */
const MOST_ACTIVE_BATCHES = 1_000;

/**
 * Keeps a batch with all its images. The first `concurrency` images are marked as queued: add their jobs.
 *
 * @returns `over-budget`, and nothing is kept, when the images are too many in the month
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
    await batches(connection).insertOne(newBatchDocument(batch, newImages.length), { session });
    await images(connection).insertMany(
      newImages.map((image) => newDocument(image, image.index < batch.concurrency, budget)),
      { session },
    );
    await countInStats(connection, { batches: 1 }, session);
    return 'created';
  });
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
  const found = await batches(connection)
    .find({ status: { $in: ['pending', 'running'] }, owner })
    .sort({ created_at: -1 })
    .limit(MOST_ACTIVE_BATCHES)
    .toArray();
  return found.map(toBatch);
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
 * Ends a batch that does not go on: what is open fails; in a cancelled batch it is cancelled, and the batch stays so.
 *
 * @param reason - for people
 * @returns the batch afterwards; nothing when nothing of it was open
 */
export async function failBatch(
  connection: Connection,
  batchId: string,
  reason: string,
): Promise<IconBatch | undefined> {
  return inTransaction(connection, async (session) => {
    const batch = await readBatch(connection, batchId, session);
    if (!batch) return undefined;
    if (batch.status === 'cancelled') return cancelRest(connection, batch, reason, session);
    if (!isActive(batch)) return undefined;
    const failed = await endImages(connection, batch, 'failed', reason, ['pending', 'running'], session);
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
 * Runs the failed images of a completed batch again, in a new round.
 *
 * @param reservationId - where the credits of the new round are set aside
 */
export async function retryFailed(
  connection: Connection,
  batchId: string,
  reservationId: string | null,
  budget: MonthlyBudget | undefined,
): Promise<Retry> {
  return inTransaction(connection, async (session) => {
    const batch = await readBatch(connection, batchId, session);
    if (batch?.status !== 'completed' || batch.failed === 0) return undefined;
    if (!batch.settled) return 'unsettled';
    if (!(await takeFromBudget(connection, batch.owner, batch.failed, budget, session))) return 'over-budget';
    const again = await askAgain(connection, batch, reservationId, budget, session);
    const after = await changeBatch(
      connection,
      batch,
      {
        status: 'running',
        failed: 0,
        completed_at: null,
        round: batch.round + 1,
        reservation_id: reservationId,
        settled: false,
      },
      () => [],
      session,
    );
    return { batch: after, images: again };
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

/** Batches whose round is not closed and in which nothing happened since `before`; the longest ago first. */
export async function unsettledBatches(
  connection: Connection,
  before: number,
  limit: number,
): Promise<IconBatch[]> {
  return findUnsettled(connection, before, limit, {});
}

/** Running or cancelled batches with open images and without progress since `progressedBefore`; the longest ago first. */
export async function stuckBatches(
  connection: Connection,
  progressedBefore: number,
  limit: number,
): Promise<IconBatch[]> {
  return findUnsettled(connection, progressedBefore, limit, {
    status: { $in: ['running', 'cancelled'] },
    $expr: { $lt: [{ $add: ['$successful', '$failed', '$cancelled'] }, '$total'] },
  });
}

/** Single images without a result that were asked for before; the longest ago first. */
export async function openSingleImages(
  connection: Connection,
  askedBefore: number,
  limit: number,
): Promise<IconImage[]> {
  const found = await images(connection)
    .find({ batch_id: null, ...OPEN_IMAGES, asked_at: { $lte: new Date(askedBefore) } })
    .sort({ asked_at: 1 })
    .limit(limit)
    .toArray();
  return found.map(toImage);
}

/**
 * Removes what ended before: settled batches with their images and events, single images, and what is known of contents
 * without an icon. Stored icons and calls stay.
 *
 * @returns how many it removed, at most `limit`: repeat it while it is as many
 */
export async function removeOld(connection: Connection, before: number, limit: number): Promise<number> {
  const by = new Date(before);
  const finished = await batches(connection)
    .find({ settled: true, completed_at: { $lt: by } }, { projection: { _id: 1 } })
    .sort({ completed_at: 1 })
    .limit(limit)
    .toArray();
  for (const { _id } of finished) await removeBatch(connection, _id, by);
  let removed = finished.length;
  if (removed < limit) removed += await removeSingleImages(connection, by, limit - removed);
  if (removed < limit) removed += await removeGenerations(connection, by, limit - removed);
  return removed;
}

const CANCELLED = 'Cancelled';

function isActive(batch: IconBatch): boolean {
  return batch.status === 'pending' || batch.status === 'running';
}

function newBatchDocument({ batch_id, ...batch }: NewBatch, total: number): BatchDocument {
  const now = new Date();
  return {
    ...batch,
    _id: batch_id,
    metadata: batch.metadata === null ? null : JSON.stringify(batch.metadata),
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
    event_seq: 0,
    error: null,
    settled: false,
    finished_round: 0,
    calls_begun: 0,
  };
}

/** Ends the batch's images that are in one of these statuses. @returns how many these were */
async function endImages(
  connection: Connection,
  batch: IconBatch,
  to: 'cancelled' | 'failed',
  error: string,
  from: readonly IconImage['status'][],
  session: ClientSession,
): Promise<number> {
  const ending = { batch_id: batch.batch_id, status: { $in: statusesBefore(to, from) } };
  const counted = await images(connection)
    .find(ending, { projection: { budget_month: 1 }, session })
    .toArray();
  await images(connection).updateMany(
    ending,
    { $set: { status: to, error, finished_at: new Date(), budget_month: null } },
    { session },
  );
  const months = counted.map((image) => image.budget_month);
  await giveBackToBudget(connection, batch.owner, months, session);
  return counted.length;
}

async function cancelRest(
  connection: Connection,
  batch: IconBatch,
  reason: string,
  session: ClientSession,
): Promise<IconBatch | undefined> {
  const rest = await endImages(connection, batch, 'cancelled', reason, ['pending', 'running'], session);
  if (rest === 0) return undefined;
  return changeBatch(connection, batch, { cancelled: batch.cancelled + rest }, () => [], session);
}

/** Makes the failed images pending again. @returns all of them, by index */
async function askAgain(
  connection: Connection,
  batch: IconBatch,
  reservationId: string | null,
  budget: MonthlyBudget | undefined,
  session: ClientSession,
): Promise<IconImage[]> {
  const failed = await images(connection)
    .find({ batch_id: batch.batch_id, status: { $in: statusesBefore('pending', ['failed']) } }, { session })
    .sort({ index: 1 })
    .toArray();
  const lastEnd = Math.max(...failed.map((image) => image.finished_at?.getTime() ?? 0));
  const again: Partial<ImageDocument> = {
    status: 'pending',
    attempts: 0,
    error: null,
    finished_at: null,
    // Behind the failure of its content, which holds for all who asked until then, also where clocks differ a little.
    asked_at: new Date(Math.max(Date.now(), lastEnd + 1)),
    reservation_id: reservationId,
    budget_month: budget?.month ?? null,
  };
  const ids = failed.map((image) => image._id);
  const first = ids.slice(0, batch.concurrency);
  const rest = ids.slice(batch.concurrency);
  await images(connection).updateMany(
    { _id: { $in: first } },
    { $set: { ...again, queued: true } },
    { session },
  );
  await images(connection).updateMany(
    { _id: { $in: rest } },
    { $set: { ...again, queued: false } },
    { session },
  );
  return failed.map((image) => toImage({ ...image, ...again }));
}

/** Open images whose jobs got lost, or were never added; as many as may run at a time, and all marked as queued. */
async function openImages(
  connection: Connection,
  batch: IconBatch,
  session: ClientSession,
): Promise<IconImage[]> {
  const found = await images(connection)
    .find({ batch_id: batch.batch_id, ...OPEN_IMAGES }, { session })
    .sort({ index: 1 })
    .toArray();
  const queued = found.filter((image) => image.queued);
  const next = found
    .filter((image) => !image.queued)
    .slice(0, Math.max(0, batch.concurrency - queued.length));
  if (next.length > 0) {
    await images(connection).updateMany(
      { _id: { $in: next.map((image) => image._id) } },
      { $set: { queued: true } },
      { session },
    );
  }
  return [...queued, ...next].map(toImage);
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

async function findUnsettled(
  connection: Connection,
  before: number,
  limit: number,
  more: mongo.Filter<BatchDocument>,
): Promise<IconBatch[]> {
  const found = await batches(connection)
    .find({ settled: false, progressed_at: { $lte: new Date(before) }, ...more })
    .sort({ progressed_at: 1 })
    .limit(limit)
    .toArray();
  return found.map(toBatch);
}

async function removeBatch(connection: Connection, batchId: string, by: Date): Promise<void> {
  await inTransaction(connection, async (session) => {
    const gone = await batches(connection).deleteOne(
      { _id: batchId, settled: true, completed_at: { $lt: by } },
      { session },
    );
    // Its failed images were asked for again meanwhile.
    if (gone.deletedCount === 0) return;
    await images(connection).deleteMany({ batch_id: batchId }, { session });
    await events(connection).deleteMany({ batch_id: batchId }, { session });
  });
}

async function removeSingleImages(connection: Connection, by: Date, limit: number): Promise<number> {
  const old = await images(connection)
    .find({ batch_id: null, finished_at: { $lt: by } }, { projection: { _id: 1 } })
    .sort({ finished_at: 1 })
    .limit(limit)
    .toArray();
  if (old.length === 0) return 0;
  const removed = await images(connection).deleteMany({ _id: { $in: old.map((image) => image._id) } });
  return removed.deletedCount;
}

async function removeGenerations(connection: Connection, by: Date, limit: number): Promise<number> {
  const unused = { ready: false, updated_at: { $lt: by } };
  const old = await generations(connection)
    .find(unused, { projection: { _id: 1 } })
    .sort({ updated_at: 1 })
    .limit(limit)
    .toArray();
  if (old.length === 0) return 0;
  const removed = await generations(connection).deleteMany({
    _id: { $in: old.map((generation) => generation._id) },
    ...unused,
  });
  return removed.deletedCount;
}
