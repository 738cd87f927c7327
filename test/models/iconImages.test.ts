import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cancelBatch } from '../../src/models/iconBatches.ts';
import { listCalls } from '../../src/models/iconCalls.ts';
import { batches, prepareIcons } from '../../src/models/iconDocuments.ts';
import { generations } from '../../src/models/iconGenerationDocuments.ts';
import {
  beginCall,
  claimNextImage,
  concludeImage,
  createImage,
  findBatchImages,
  findImage,
  putOff,
} from '../../src/models/iconImages.ts';
import { readStats } from '../../src/models/iconStats.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import {
  allEvents,
  at,
  batchNow,
  claimed,
  createdBatch,
  expectConsistent,
  FAILURE,
  killed,
  newImage,
  success,
  usedOf,
} from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('iconimages');
  await prepareIcons(system.connection);
});
afterAll(() => system.remove());

const CALL = () => ({ call_id: randomUUID(), model: 'gpt-image-2' });

test('a single image is kept as it was asked for, and ends once', async () => {
  const { connection } = system;
  const image = newImage();
  expect(await createImage(connection, image, undefined)).toBe('created');
  const untouched = { attempts: 0, error: null, file: null, cached: false };
  expect(await findImage(connection, image.image_id)).toEqual({
    ...image,
    ...untouched,
    status: 'pending',
    generation_milliseconds: null,
    finished_at: null,
  });
  const conclusion = success();
  const concluded = await concludeImage(connection, image, conclusion);
  expect(concluded).toMatchObject({ image: { ...conclusion, attempts: 0 }, batch: undefined });
  expect(await findImage(connection, image.image_id)).toEqual(concluded?.image);
  expect(await concludeImage(connection, image, FAILURE)).toBeUndefined();
  expect(await findImage(connection, image.image_id)).toEqual(concluded?.image);
  expect(await concludeImage(connection, { ...image, image_id: 'unknown' }, FAILURE)).toBeUndefined();
  expect(await findImage(connection, 'unknown')).toBeUndefined();
});

test('of all who conclude an image at once one does, and it is counted once', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection);
  const before = await readStats(connection);
  const conclusions = images.flatMap((image) =>
    [success(), FAILURE, { status: 'cancelled', error: 'over' } as const, success()].map((conclusion) =>
      concludeImage(connection, image, conclusion),
    ),
  );
  const done = (await Promise.all(conclusions)).filter((concluded) => concluded !== undefined);
  expect(done).toHaveLength(images.length);
  await expectConsistent(connection, batch_id);
  const batch = await batchNow(connection, batch_id);
  expect(batch.successful + batch.failed + batch.cancelled).toBe(images.length);
  const after = await readStats(connection);
  expect(after.total_generated - before.total_generated).toBe(batch.successful);
  expect(after.total_failed - before.total_failed).toBe(batch.failed);
});

test('watchers are told each image, the progress after each slice and at the end, in order', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection, {
    categories: ['tools', 'books', 'toys'],
    variations: 1,
    concurrency: 2,
  });
  await concludeImage(connection, at(images, 1), success());
  expect(await batchNow(connection, batch_id)).toMatchObject({
    status: 'running',
    current_category: 'tools',
  });
  const second = await concludeImage(connection, at(images, 0), FAILURE);
  expect(second?.batch?.event_seq).toBe(3);
  expect(await batchNow(connection, batch_id)).toEqual(second?.batch);
  await concludeImage(connection, at(images, 2), success({ cached: true }));

  const told = await allEvents(connection, batch_id);
  expect(told.map(({ seq, type }) => [seq, type])).toEqual([
    [1, 'job_output'],
    [2, 'job_output'],
    [3, 'batch_progress'],
    [4, 'job_output'],
    [5, 'batch_progress'],
  ]);
  expect(told.map(({ data }) => data)).toEqual([
    { job_id: batch_id, line: '1/3 books: generated in 2.4 s' },
    { job_id: batch_id, line: '2/3 tools: failed: the model refused' },
    {
      batch_id,
      progress: 66,
      current_category: 'toys',
      completed: 2,
      total: 3,
      status: 'running',
      successful: 1,
      failed: 1,
      completed_categories: 2,
      total_categories: 3,
    },
    { job_id: batch_id, line: '3/3 toys: taken from the cache' },
    expect.objectContaining({ progress: 100, completed: 3, status: 'running', current_category: 'toys' }),
  ]);
});

test('a call may begin when the image is open and the lease is its own; it is counted and written down', async () => {
  const { connection } = system;
  const { batch_id, owner, images } = await createdBatch(connection);
  const image = at(images, 0);
  const call = CALL();
  expect(await beginCall(connection, image, call)).toBe('lost');
  expect(await batchNow(connection, batch_id)).toMatchObject({ status: 'pending', started_at: null });

  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 0, attempts: 0 });
  expect(await beginCall(connection, image, call)).toBe('begun');
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'running', attempts: 1 });
  const batch = await batchNow(connection, batch_id);
  expect(batch).toMatchObject({ status: 'running', current_category: 'tools', event_seq: 0 });
  expect(batch.started_at).not.toBeNull();
  const [written] = await listCalls(connection, 'pending', 10);
  expect(written).toMatchObject({ ...call, image_id: image.image_id, batch_id, owner, outcome: 'pending' });

  // A run that comes back after a crash begins from `running`, but never beside one that is alive.
  expect(await beginCall(connection, image, undefined)).toBe('lost');
  await killed(connection, image);
  expect(await beginCall(connection, image, undefined)).toBe('begun');
  expect(await findImage(connection, image.image_id)).toMatchObject({ attempts: 2 });
  await concludeImage(connection, image, FAILURE);
  expect(await beginCall(connection, image, CALL())).toBe('final');
  expect(await listCalls(connection, 'pending', 10)).toHaveLength(1);
});

test('no call begins with a lease that has run out', async () => {
  const { connection } = system;
  const image = newImage();
  await createImage(connection, image, undefined);
  await claimed(connection, image);
  await generations(connection).updateOne(
    { _id: image.content_key },
    { $set: { lease_until: new Date(Date.now() - 1) } },
  );
  expect(await beginCall(connection, image, CALL())).toBe('lost');
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'pending', attempts: 0 });
});

test('a run that is put off waits again; an attempt that counts for nothing is given back', async () => {
  const { connection } = system;
  const image = newImage();
  await createImage(connection, image, undefined);
  await putOff(connection, image, 'given-back');
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'pending', attempts: 0 });

  await claimed(connection, image);
  await beginCall(connection, image, undefined);
  await putOff(connection, image);
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'pending', attempts: 1 });
  await killed(connection, image);
  await beginCall(connection, image, undefined);
  await putOff(connection, image, 'given-back');
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'pending', attempts: 1 });

  await concludeImage(connection, image, success());
  await putOff(connection, image);
  expect(await findImage(connection, image.image_id)).toMatchObject({ status: 'succeeded' });
});

test('after a cancellation no call begins, however close they are', async () => {
  const { connection } = system;
  for (let time = 0; time < 8; time++) {
    const { batch_id, images } = await createdBatch(connection, { concurrency: 6 });
    // Half of them run already, as after a crash: the cancellation does not touch those.
    for (const image of images) await claimed(connection, image);
    for (const image of images.slice(0, 3)) {
      await beginCall(connection, image, undefined);
      await killed(connection, image);
    }
    const order: string[] = [];
    await Promise.all([
      ...images.map(async (image) => {
        const begun = await beginCall(connection, image, undefined);
        order.push(begun);
      }),
      cancelBatch(connection, batch_id),
    ]);
    const late = await Promise.all(images.map((image) => beginCall(connection, image, CALL())));
    expect(late).toEqual(images.map(() => 'cancelled'));
    expect(order.every((begun) => begun === 'begun' || begun === 'cancelled')).toBe(true);
    const now = await findBatchImages(connection, batch_id);
    expect(now.filter((image) => image.status === 'cancelled').every((image) => image.attempts === 0)).toBe(
      true,
    );
    await expectConsistent(connection, batch_id);
  }
});

test('a call that begins while a cancellation is not committed yet waits for it', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection);
  const image = at(images, 0);
  await claimed(connection, image);
  await beginCall(connection, image, undefined);
  await killed(connection, image);
  const session = await connection.startSession();
  try {
    session.startTransaction();
    // All that a cancellation changes when every image runs.
    await batches(connection).updateOne({ _id: batch_id }, { $set: { status: 'cancelled' } }, { session });
    const rerun = beginCall(connection, image, undefined);
    for (let reads = 0; reads < 20; reads++) await batchNow(connection, batch_id);
    await session.commitTransaction();
    expect(await rerun).toBe('cancelled');
  } finally {
    await session.endSession();
  }
  expect(await findImage(connection, image.image_id)).toMatchObject({ attempts: 1 });
});

test('the next images are claimed by index, each once', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection, { variations: 10, concurrency: 2 });
  const first = await claimNextImage(connection, batch_id);
  expect(first).toEqual(at(images, 2));
  const claims = await Promise.all(Array.from({ length: 40 }, () => claimNextImage(connection, batch_id)));
  const indexes = claims.flatMap((image) => image?.index ?? []).sort((one, other) => one - other);
  expect(indexes).toEqual(Array.from({ length: 27 }, (_, place) => place + 3));
});

test('single images count in the month; what fails is given back', async () => {
  const { connection } = system;
  const budget = { month: '2026-11', limit: 3 };
  const first = newImage();
  const { owner } = first;
  expect(await createImage(connection, first, budget)).toBe('created');
  const wanted = Array.from({ length: 10 }, () => newImage(owner));
  const answers = await Promise.all(wanted.map((image) => createImage(connection, image, budget)));
  expect(answers.filter((answer) => answer === 'created')).toHaveLength(2);
  expect(await usedOf(connection, owner, budget.month)).toBe(3);

  await concludeImage(connection, first, FAILURE);
  await concludeImage(connection, first, FAILURE);
  expect(await usedOf(connection, owner, budget.month)).toBe(2);
  expect(await createImage(connection, newImage(owner), budget)).toBe('created');
  expect(await createImage(connection, newImage(owner), budget)).toBe('over-budget');
  expect(await createImage(connection, newImage(owner), { month: '2026-12', limit: 1 })).toBe('created');
  expect(await createImage(connection, newImage(owner), undefined)).toBe('created');
});
