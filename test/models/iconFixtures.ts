import { createHash, randomUUID } from 'node:crypto';
import type { Connection } from 'mongoose';
import { expect } from 'vitest';
import type { IconBatch } from '../../src/domain/icons/batch.ts';
import type { BatchEvent } from '../../src/domain/icons/events.ts';
import type { IconFile, IconImage } from '../../src/domain/icons/icon.ts';
import { createBatch, findBatch, type NewBatch } from '../../src/models/iconBatches.ts';
import type { NewRound } from '../../src/models/iconBatchImages.ts';
import type { MonthlyBudget } from '../../src/models/iconBudgets.ts';
import { batches, budgets, images } from '../../src/models/iconDocuments.ts';
import { readEvents } from '../../src/models/iconEvents.ts';
import { generations } from '../../src/models/iconGenerationDocuments.ts';
import { claimGeneration } from '../../src/models/iconGenerations.ts';
import { type Conclusion, findBatchImages, type NewImage } from '../../src/models/iconImages.ts';
import { intendReservation } from '../../src/models/iconReservations.ts';
import { uniqueName } from '../support/testSystem.ts';

export const LEASE_MILLISECONDS = 60_000;

export interface Wanted {
  readonly owner?: string;
  readonly categories?: readonly string[];
  readonly variations?: number;
  readonly concurrency?: number;
  readonly credits_user_id?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export function newBatch(wanted: Wanted = {}): { batch: NewBatch; images: NewImage[] } {
  const { categories = ['tools', 'garden tools', 'books'], variations = 2, concurrency = 2 } = wanted;
  const batch: NewBatch = {
    batch_id: randomUUID(),
    owner: wanted.owner ?? uniqueName('owner'),
    categories,
    variations,
    style: 'modern',
    color_scheme: 'brand_colors',
    metadata: wanted.metadata ?? null,
    concurrency,
    credits_user_id: wanted.credits_user_id ?? null,
    reservation_id: null,
  };
  const wantedImages = categories.flatMap((category, place) =>
    Array.from({ length: variations }, (_, of) => ({
      ...newImage(batch.owner),
      image_id: `${batch.batch_id}-${place * variations + of}`,
      batch_id: batch.batch_id,
      index: place * variations + of,
      category,
      variation: of + 1,
      total_variations: variations,
    })),
  );
  return { batch, images: wantedImages };
}

/** A single image of a content that nobody else asks for. */
export function newImage(owner = uniqueName('owner')): NewImage {
  const image_id = randomUUID();
  return {
    image_id,
    batch_id: null,
    index: 0,
    owner,
    category: 'tools',
    style: 'modern',
    color_scheme: 'brand_colors',
    elements: ['a hammer'],
    variation: 1,
    total_variations: 1,
    content_key: keyOf(image_id),
    prompt: 'A hammer.',
    model: 'local-drawing-1',
    credits: 2,
    reservation_id: null,
    asked_at: Date.now(),
  };
}

export function keyOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function createdBatch(
  connection: Connection,
  wanted: Wanted = {},
  budget?: MonthlyBudget,
): Promise<{ batch_id: string; owner: string; images: IconImage[] }> {
  const asked = newBatch(wanted);
  expect(await createBatch(connection, asked.batch, asked.images, budget)).toBe('created');
  const { batch_id, owner } = asked.batch;
  return { batch_id, owner, images: await findBatchImages(connection, batch_id) };
}

/** Credits of a new round, as if they were set aside. */
export async function newRound(connection: Connection, credits: number): Promise<NewRound> {
  const reservation_id = uniqueName('reservation');
  await intendReservation(connection, reservation_id);
  return { reservation_id, credits };
}

/** The image at that place, which has to be there. */
export function at(images: readonly IconImage[], index: number): IconImage {
  const image = images[index];
  if (!image) throw new Error(`There is no image ${index}`);
  return image;
}

export function claimed(
  connection: Connection,
  image: Pick<IconImage, 'image_id' | 'content_key' | 'asked_at'>,
) {
  return claimGeneration(connection, image.content_key, image, LEASE_MILLISECONDS);
}

/** As when the run that makes it was killed: it gives no sign of life any more. */
export async function killed(connection: Connection, image: Pick<IconImage, 'content_key'>): Promise<void> {
  await generations(connection).updateOne({ _id: image.content_key }, { $set: { alive_until: new Date(0) } });
}

export function newFile(folder = 'tools'): IconFile {
  return { path: `${folder}/${uniqueName('icon')}.png`, folder, size: 1_234, created_at: Date.now() };
}

type Success = Extract<Conclusion, { status: 'succeeded' }>;

export function success(more: Partial<Success> = {}): Success {
  return { status: 'succeeded', file: newFile(), cached: false, generation_milliseconds: 2_400, ...more };
}

export const FAILURE: Conclusion = { status: 'failed', error: 'the model refused' };

export async function batchNow(connection: Connection, batchId: string): Promise<IconBatch> {
  const batch = await findBatch(connection, batchId);
  if (!batch) throw new Error('There is no such batch');
  return batch;
}

/** Changes a batch behind the model's back, as time does. */
export function setBatch(connection: Connection, batchId: string, change: object) {
  return batches(connection).updateOne({ _id: batchId }, { $set: change });
}

export function allEvents(connection: Connection, batchId: string): Promise<BatchEvent[]> {
  return readEvents(connection, batchId, 0, 10_000);
}

export async function usedOf(connection: Connection, owner: string, month: string): Promise<number> {
  return (await budgets(connection).findOne({ _id: `${owner}|${month}` }))?.used ?? 0;
}

/** What always holds: counters are what the images say, events are numbered without gaps, nothing is open in what is over. */
export async function expectConsistent(connection: Connection, batchId: string): Promise<void> {
  const batch = await batchNow(connection, batchId);
  const of = await findBatchImages(connection, batchId);
  const count = (status: IconImage['status']) => of.filter((image) => image.status === status).length;
  expect({
    total: batch.total,
    successful: batch.successful,
    failed: batch.failed,
    cancelled: batch.cancelled,
  }).toEqual({
    total: of.length,
    successful: count('succeeded'),
    failed: count('failed'),
    cancelled: count('cancelled'),
  });
  const told = await allEvents(connection, batchId);
  expect(told.map((event) => event.seq)).toEqual(
    Array.from({ length: batch.event_seq }, (_, place) => place + 1),
  );
  for (const image of of) {
    const final = ['succeeded', 'failed', 'cancelled'].includes(image.status);
    expect(image.finished_at !== null).toBe(final);
    expect(image.file !== null).toBe(image.status === 'succeeded' || image.status === 'delivering');
    expect(image.error !== null).toBe(image.status === 'failed' || image.status === 'cancelled');
  }
  if (batch.status === 'completed' || batch.status === 'failed')
    expect(count('pending') + count('running') + count('delivering')).toBe(0);
}

/** The budget counts exactly the images that are wanted or made. */
export async function expectBudget(connection: Connection, owner: string, month: string): Promise<void> {
  const counted = await images(connection).countDocuments({
    owner,
    status: { $in: ['pending', 'running', 'delivering', 'succeeded'] },
  });
  expect(await usedOf(connection, owner, month)).toBe(counted);
}
