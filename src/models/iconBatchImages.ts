import type { ClientSession, Connection } from 'mongoose';
import type { IconBatch } from '../domain/icons/batch.ts';
import type { IconImage } from '../domain/icons/icon.ts';
import { giveBackToBudget, type MonthlyBudget } from './iconBudgets.ts';
import { type ImageDocument, images, toImage } from './iconDocuments.ts';
import { OPEN_IMAGES, statusesBefore } from './iconImages.ts';

/** Ends the batch's images that are in one of these statuses and may end so. @returns how many these were */
export async function endImages(
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

/** What a new round costs: where its credits are set aside, and how many one icon takes of them. */
export type NewRound = Pick<IconImage, 'reservation_id' | 'credits'>;

/** Makes the failed images pending again. @returns all of them, by index */
export async function askAgain(
  connection: Connection,
  batch: IconBatch,
  round: NewRound,
  budget: MonthlyBudget | undefined,
  session: ClientSession,
): Promise<IconImage[]> {
  const failed = await images(connection)
    .find({ batch_id: batch.batch_id, status: { $in: statusesBefore('pending', ['failed']) } }, { session })
    .sort({ index: 1 })
    .toArray();
  const times = failed.flatMap(({ asked_at, finished_at }) => [asked_at, finished_at ?? asked_at]);
  const last = Math.max(...times.map((time) => time.getTime()));
  const again: Partial<ImageDocument> = {
    status: 'pending',
    attempts: 0,
    error: null,
    finished_at: null,
    left: false,
    // Behind the failure of its content, which holds for all who asked until then, also where clocks differ a little; and
    // never the same again, as it tells the rounds apart.
    asked_at: new Date(Math.max(Date.now(), last + 1)),
    ...round,
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
export async function openImages(
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
