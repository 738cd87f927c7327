import type { Connection, mongo } from 'mongoose';
import type { IconBatch } from '../domain/icons/batch.ts';
import type { IconImage } from '../domain/icons/icon.ts';
import { usable } from '../runtime/mongo.ts';
import { removeBatchMetadata } from './iconBatchMetadata.ts';
import { type BatchDocument, batches, events, images, toBatch, toImage } from './iconDocuments.ts';
import { generations } from './iconGenerationDocuments.ts';
import { OPEN_IMAGES } from './iconImages.ts';
import { inTransaction } from './transaction.ts';

const NOTED_EVERY_MILLISECONDS = 30_000;
const PROGRESS = { $currentDate: { progressed_at: true } } as const;

/** Batches whose round is not closed and in which nothing happened since `before`; the longest ago first. */
export async function unsettledBatches(
  connection: Connection,
  before: number,
  limit: number,
): Promise<IconBatch[]> {
  return findUnsettled(connection, before, limit, {
    $or: [{ confirmed: { $ne: false } }, { status: { $ne: 'pending' } }],
  });
}

/** Batches whose sender was not told that they are made; the longest ago first. */
export async function unconfirmedBatches(
  connection: Connection,
  before: number,
  limit: number,
): Promise<IconBatch[]> {
  return findUnsettled(connection, before, limit, { status: 'pending', confirmed: false });
}

/** Single images whose sender was not told that they are made. */
export async function unconfirmedSingleImages(
  connection: Connection,
  askedBefore: number,
  limit: number,
): Promise<IconImage[]> {
  const found = await images(connection)
    .find({ batch_id: null, status: 'pending', confirmed: false, asked_at: { $lte: new Date(askedBefore) } })
    .sort({ asked_at: 1 })
    .limit(limit)
    .toArray();
  return found.map(toImage);
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

/** The clock of MongoDB, which also sets `progressed_at`: milliseconds since 1970 UTC. */
export async function readStoreClock(connection: Connection): Promise<number> {
  const { localTime } = await usable(connection).getClient().db().command({ hello: 1 });
  return new Date(localTime).getTime();
}

/** All that runs has its whole time again: while it is held back as a whole, nothing in it can move. */
export async function grantTime(connection: Connection): Promise<void> {
  await batches(connection).updateMany({ settled: false, status: 'running' }, PROGRESS);
  await images(connection).updateMany({ batch_id: null, ...OPEN_IMAGES }, PROGRESS);
}

/** The image waits for its turn, which is no standstill. Written now and then only: it may be called as often as one likes. */
export async function noteWaiting(
  connection: Connection,
  { image_id, batch_id }: Pick<IconImage, 'image_id' | 'batch_id'>,
): Promise<void> {
  const before = new Date(Date.now() - NOTED_EVERY_MILLISECONDS);
  if (batch_id === null) {
    const unnoted = { _id: image_id, ...OPEN_IMAGES, progressed_at: { $not: { $gte: before } } };
    await images(connection).updateOne(unnoted, PROGRESS);
  } else {
    const running = { _id: batch_id, status: 'running', progressed_at: { $lt: before } } as const;
    await batches(connection).updateOne(running, PROGRESS);
  }
}

/** Single images without a result or progress since then; the longest ago first. */
export async function stuckSingleImages(
  connection: Connection,
  progressedBefore: number,
  limit: number,
): Promise<IconImage[]> {
  const before = new Date(progressedBefore);
  const found = await images(connection)
    .find({
      batch_id: null,
      ...OPEN_IMAGES,
      asked_at: { $lte: before },
      progressed_at: { $not: { $gt: before } },
    })
    .sort({ asked_at: 1 })
    .limit(limit)
    .toArray();
  return found.map(toImage);
}

/** Single images without a result that were asked for before; the longest ago first. */
export async function openSingleImages(
  connection: Connection,
  askedBefore: number,
  limit: number,
): Promise<IconImage[]> {
  const found = await images(connection)
    .find({
      batch_id: null,
      ...OPEN_IMAGES,
      confirmed: { $ne: false },
      asked_at: { $lte: new Date(askedBefore) },
    })
    .sort({ asked_at: 1 })
    .limit(limit)
    .toArray();
  return found.map(toImage);
}

/** Batches that ended before and are removed next; the eldest first. */
export async function outdatedBatches(
  connection: Connection,
  before: number,
  limit: number,
): Promise<string[]> {
  const finished = await batches(connection)
    .find({ settled: true, completed_at: { $lt: new Date(before) } }, { projection: { _id: 1 } })
    .sort({ completed_at: 1 })
    .limit(limit)
    .toArray();
  return finished.map(({ _id }) => _id);
}

/**
 * Removes what ended before: settled batches with their images and events, single images, and what is known of contents
 * without an icon. Stored icons and calls stay.
 *
 * @returns how many it removed, at most `limit`: repeat it while it is as many
 */
export async function removeOld(connection: Connection, before: number, limit: number): Promise<number> {
  const by = new Date(before);
  const finished = await outdatedBatches(connection, before, limit);
  for (const batchId of finished) await removeBatch(connection, batchId, by);
  let removed = finished.length;
  if (removed < limit) removed += await removeSingleImages(connection, by, limit - removed);
  if (removed < limit) removed += await removeGenerations(connection, by, limit - removed);
  return removed;
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
    await removeBatchMetadata(connection, batchId, session);
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
