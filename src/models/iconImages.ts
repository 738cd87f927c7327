import type { ClientSession, Connection, mongo } from 'mongoose';
import { type IconBatch, isActive } from '../domain/icons/batch.ts';
import { eventsOfImage } from '../domain/icons/batchEvents.ts';
import {
  type IconFile,
  type IconImage,
  IMAGE_STATUSES,
  IMAGE_TRANSITIONS,
  type ImageStatus,
  isOpen,
  OPEN_STATUSES,
} from '../domain/icons/icon.ts';
import { asStarted, type BatchChange, changeBatch, readBatch } from './iconBatchChanges.ts';
import { giveBackToBudget, type MonthlyBudget, takeFromBudget } from './iconBudgets.ts';
import { addCall, type NewCall } from './iconCalls.ts';
import { batches, confirmableSince, type ImageDocument, images, toImage } from './iconDocuments.ts';
import { fromFile } from './iconGenerationDocuments.ts';
import { renewLease } from './iconGenerations.ts';
import { leaveReservation, takeReservation } from './iconReservations.ts';
import { countInStats } from './iconStats.ts';
import { inTransaction } from './transaction.ts';

/** An image as it is asked for. */
export type NewImage = Omit<
  IconImage,
  'status' | 'attempts' | 'error' | 'file' | 'cached' | 'generation_milliseconds' | 'finished_at'
>;

/** An image as one round of its batch asks for it: a run of the round before changes nothing of it. */
export type AskedImage = Pick<IconImage, 'image_id' | 'asked_at'>;

/** What an image succeeds with. */
export interface Delivery {
  readonly status: 'succeeded';
  readonly file: IconFile;
  /** Whether it came out of the cache, or out of another image's call. */
  readonly cached: boolean;
  readonly generation_milliseconds: number | null;
}

/** What becomes of an image. */
export type Conclusion =
  | Delivery
  | {
      readonly status: 'failed';
      readonly error: string;
      /** Calls that were made for its content, when it failed by them; also those for other images. */
      readonly attempts?: number;
    }
  | { readonly status: 'cancelled'; readonly error: string };

export interface Concluded {
  readonly image: IconImage;
  /** With the image counted; `event_seq` is the number of the last event of the change. */
  readonly batch: IconBatch | undefined;
}

/**
 * Keeps a single image that is wanted.
 *
 * @returns `over-budget`, and nothing is kept, when it is one too many in the month
 * @throws ServiceUnavailableError when its credits are being given back already
 */
export async function createImage(
  connection: Connection,
  image: NewImage,
  budget: MonthlyBudget | undefined,
): Promise<'created' | 'over-budget'> {
  return inTransaction(connection, async (session) => {
    if (!(await takeFromBudget(connection, image.owner, 1, budget, session))) return 'over-budget';
    await takeReservation(connection, image.reservation_id, session);
    const document = { ...newDocument(image, true, budget), confirmed: false };
    await images(connection).insertOne(document, { session });
    return 'created';
  });
}

/**
 * The document of an image that waits for its first run.
 *
 * @param queued - whether its job is about to be added by whoever creates it
 */
export function newDocument(
  { image_id, ...image }: NewImage,
  queued: boolean,
  budget: MonthlyBudget | undefined,
): ImageDocument {
  return {
    ...image,
    _id: image_id,
    status: 'pending',
    attempts: 0,
    error: null,
    file: null,
    cached: false,
    generation_milliseconds: null,
    asked_at: new Date(image.asked_at),
    finished_at: null,
    queued,
    budget_month: budget?.month ?? null,
  };
}

/**
 * It is about to be queued, and its sender to be told so. What is not confirmed is cancelled by the sweep.
 *
 * @returns false when it is too late for that
 */
export async function confirmImage(connection: Connection, imageId: string): Promise<boolean> {
  const confirmed = await images(connection).updateOne(
    { _id: imageId, status: 'pending', asked_at: { $gt: confirmableSince() } },
    { $set: { confirmed: true } },
  );
  return confirmed.matchedCount === 1;
}

export async function findImage(connection: Connection, imageId: string): Promise<IconImage | undefined> {
  const found = await images(connection).findOne({ _id: imageId });
  return found ? toImage(found) : undefined;
}

/** All images of a batch by their index; as many as a request may ask for at most. */
export async function findBatchImages(connection: Connection, batchId: string): Promise<IconImage[]> {
  const found = await images(connection)
    .find({ batch_id: batchId })
    .sort({ batch_id: 1, index: 1 })
    .toArray();
  return found.map(toImage);
}

/** Marks the next image of the batch whose job is to be added as queued. @returns nothing when there is no more */
export async function claimNextImage(
  connection: Connection,
  batchId: string,
): Promise<IconImage | undefined> {
  const found = await images(connection).findOneAndUpdate(
    { batch_id: batchId, status: 'pending', queued: false },
    { $set: { queued: true } },
    { sort: { index: 1 }, returnDocument: 'after' },
  );
  return found ? toImage(found) : undefined;
}

/**
 * The intent of a call, before it is made: counts an attempt, and writes the paid call down as pending.
 *
 * @param image - its image; the run must have claimed the generation of its content
 * @param call - nothing for a free provider
 * @returns `begun` only when the call may be made now; `cancelled` when the image or its batch has ended without it,
 *   `final` when the image has a result, is being delivered, or was asked for again, `lost` when the lease has run out: claim the generation anew
 */
export async function beginCall(
  connection: Connection,
  image: AskedImage,
  call: NewCall | undefined,
): Promise<'begun' | 'cancelled' | 'final' | 'lost'> {
  return inTransaction(connection, async (session) => {
    const found = await images(connection).findOne({ _id: image.image_id }, { session });
    if (!found || found.status === 'cancelled') return 'cancelled';
    if (!isOpen(found) || found.status === 'delivering') return 'final';
    if (found.asked_at.getTime() !== image.asked_at) return 'final';
    const batch = found.batch_id === null ? undefined : await readBatch(connection, found.batch_id, session);
    if (found.batch_id !== null && !(batch && isActive(batch))) return 'cancelled';
    if (!(await renewLease(connection, found.content_key, found._id, session))) return 'lost';

    await images(connection).updateOne(
      { _id: found._id, status: found.status },
      { $set: { status: 'running' }, $inc: { attempts: 1 } },
      { session },
    );
    if (batch) await startInBatch(connection, batch, session);
    if (call) await addCall(connection, found, call, session);
    return 'begun';
  });
}

/**
 * Puts a run off: it is to be made again later.
 *
 * @param attempt - `given-back` when the begun call counts for nothing, as when a limit refused it
 */
export async function putOff(
  connection: Connection,
  image: AskedImage,
  attempt: 'counted' | 'given-back' = 'counted',
): Promise<void> {
  await images(connection).updateOne(
    { ...asAsked(image), status: { $in: statusesBefore('pending', ['running']) } },
    { $set: { status: 'pending' }, ...(attempt === 'given-back' ? { $inc: { attempts: -1 } } : {}) },
  );
}

/**
 * Comes before the charge: from now on the image can only succeed, whatever becomes of its batch or of this process.
 *
 * @returns what it succeeds with, which is an earlier run's when that came as far; nothing when it has ended, or was asked
 *   for again
 */
export async function beginDelivery(
  connection: Connection,
  image: AskedImage,
  delivery: Delivery,
): Promise<Delivery | undefined> {
  const begun = await images(connection).updateOne(
    { ...asAsked(image), status: { $in: statusesBefore('delivering') } },
    { $set: { ...deliveryFields(delivery), status: 'delivering' } },
  );
  if (begun.matchedCount === 1) return delivery;
  const found = await images(connection).findOne(asAsked(image));
  return found ? deliveryOf(toImage(found)) : undefined;
}

/** @returns nothing unless the image is being delivered */
export function deliveryOf({
  status,
  file,
  cached,
  generation_milliseconds,
}: IconImage): Delivery | undefined {
  if (status !== 'delivering' || file === null) return undefined;
  return { status: 'succeeded', file, cached, generation_milliseconds };
}

/**
 * Ends an image, and tells it in its batch: counters, events, sums and the month's budget change with it.
 * What was set aside for a single one that has no icon is to be given back then.
 *
 * @returns nothing, and nothing changes, when it has ended already, or was asked for again
 */
export async function concludeImage(
  connection: Connection,
  wanted: AskedImage,
  conclusion: Conclusion,
): Promise<Concluded | undefined> {
  return inTransaction(connection, async (session) => {
    const ended = fieldsOf(conclusion);
    const before = await images(connection).findOneAndUpdate(
      { ...asAsked(wanted), status: { $in: statusesBefore(conclusion.status) } },
      { $set: ended },
      { session, returnDocument: 'before' },
    );
    if (!before) return undefined;
    const image = toImage({ ...before, ...ended });
    if (conclusion.status !== 'succeeded') {
      await giveBackToBudget(connection, before.owner, [before.budget_month], session);
      // Those of a batch come back when its round is closed.
      if (before.batch_id === null) await leaveReservation(connection, before.reservation_id, session);
    }
    await countConclusion(connection, conclusion, session);
    const batch =
      before.batch_id === null ? undefined : await readBatch(connection, before.batch_id, session);
    return { image, batch: batch && (await countInBatch(connection, batch, image, session)) };
  });
}

/** The image, unless it was asked for again. */
export function asAsked({ image_id, asked_at }: AskedImage) {
  return { _id: image_id, asked_at: new Date(asked_at) };
}

/** The statuses from which an image may come to `to`. */
export function statusesBefore(
  to: ImageStatus,
  among: readonly ImageStatus[] = IMAGE_STATUSES,
): ImageStatus[] {
  return among.filter((from) => IMAGE_TRANSITIONS[from].includes(to));
}

/** Images of which is not known what becomes of them. */
export const OPEN_IMAGES: mongo.Filter<ImageDocument> = { status: { $in: OPEN_STATUSES } };

async function startInBatch(connection: Connection, batch: IconBatch, session: ClientSession): Promise<void> {
  if (batch.status === 'pending' || batch.round_started_at === null) {
    await changeBatch(connection, batch, asStarted(batch), () => [], session);
  }
  await batches(connection).updateOne({ _id: batch.batch_id }, { $inc: { calls_begun: 1 } }, { session });
}

async function countInBatch(
  connection: Connection,
  batch: IconBatch,
  image: IconImage,
  session: ClientSession,
): Promise<IconBatch> {
  const counted: Partial<Record<ImageStatus, BatchChange>> = {
    succeeded: { successful: batch.successful + 1 },
    failed: { failed: batch.failed + 1 },
    cancelled: { cancelled: batch.cancelled + 1 },
  };
  return changeBatch(
    connection,
    batch,
    { ...asStarted(batch), ...counted[image.status] },
    (after) => eventsOfImage(after, image),
    session,
  );
}

async function countConclusion(
  connection: Connection,
  conclusion: Conclusion,
  session: ClientSession,
): Promise<void> {
  if (conclusion.status === 'failed') await countInStats(connection, { failed: 1 }, session);
  if (conclusion.status !== 'succeeded' || conclusion.cached) return;
  const milliseconds = conclusion.generation_milliseconds ?? 0;
  await countInStats(connection, { generated: { images: 1, milliseconds, at: new Date() } }, session);
}

function fieldsOf(conclusion: Conclusion) {
  const finished_at = new Date();
  if (conclusion.status !== 'succeeded') {
    const { status, error } = conclusion;
    const attempts = status === 'failed' ? conclusion.attempts : undefined;
    const counted = attempts === undefined ? {} : { attempts };
    return { status, error, ...counted, finished_at, budget_month: null };
  }
  return { ...deliveryFields(conclusion), finished_at };
}

function deliveryFields({ status, file, cached, generation_milliseconds }: Delivery) {
  return { status, file: fromFile(file), cached, generation_milliseconds };
}
