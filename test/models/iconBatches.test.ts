import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  cancelBatch,
  confirmBatch,
  createBatch,
  failBatch,
  findBatch,
  finishBatch,
  listActiveBatches,
  listActiveBatchIds,
  listBatches,
  markSettled,
  retryFailed,
} from '../../src/models/iconBatches.ts';
import { images as imageDocuments, prepareIcons } from '../../src/models/iconDocuments.ts';
import {
  beginCall,
  beginDelivery,
  claimNextImage,
  concludeImage,
  confirmImage,
  createImage,
  findBatchImages,
  findImage,
  putOff,
} from '../../src/models/iconImages.ts';
import { readStats } from '../../src/models/iconStats.ts';
import {
  openSingleImages,
  removeOld,
  stuckBatches,
  unconfirmedBatches,
  unconfirmedSingleImages,
  unsettledBatches,
} from '../../src/models/iconSweeps.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import {
  allEvents,
  at,
  batchNow,
  claimed,
  createdBatch,
  expectBudget,
  expectConsistent,
  FAILURE,
  newBatch,
  newImage,
  newRound,
  setBatch,
  success,
  usedOf,
  type Wanted,
} from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('iconbatches');
  await prepareIcons(system.connection);
});
afterAll(() => system.remove());

const MONTH = '2026-11';
const FREE = { reservation_id: null, credits: 0 };
const outbox = () =>
  system.connection.collection<{ _id: string; type: string; data: Record<string, unknown> }>('event_outbox');
const typesOf = async (batchId: string) =>
  (await allEvents(system.connection, batchId)).map((event) => event.type);

/** A completed and settled batch of three images, of which those at the given places failed. */
async function completedBatch(failures: readonly number[], wanted: Wanted = {}, limit?: number) {
  const { connection } = system;
  const budget = limit === undefined ? undefined : { month: MONTH, limit };
  const created = await createdBatch(
    connection,
    { categories: ['tools', 'books', 'toys'], variations: 1, ...wanted },
    budget,
  );
  for (const image of created.images) {
    await concludeImage(connection, image, failures.includes(image.index) ? FAILURE : success());
  }
  await finishBatch(connection, created.batch_id, 1);
  await markSettled(connection, created.batch_id, 1);
  return created;
}

test('a batch is kept with its images, just as it was asked for', async () => {
  const { connection } = system;
  const asked = newBatch({ credits_user_id: 'user-1' });
  const before = await readStats(connection);
  expect(await createBatch(connection, asked.batch, asked.images, undefined)).toBe('created');
  const { metadata: _kept, ...wanted } = asked.batch;
  expect(await findBatch(connection, asked.batch.batch_id)).toMatchObject({
    ...wanted,
    status: 'pending',
    total: 6,
    successful: 0,
    failed: 0,
    cancelled: 0,
    current_category: null,
    started_at: null,
    round: 1,
    event_seq: 0,
    settled: false,
  });
  const kept = await findBatchImages(connection, asked.batch.batch_id);
  expect(kept.map(({ index, category, variation }) => [index, category, variation])).toEqual([
    [0, 'tools', 1],
    [1, 'tools', 2],
    [2, 'garden tools', 1],
    [3, 'garden tools', 2],
    [4, 'books', 1],
    [5, 'books', 2],
  ]);
  const after = await readStats(connection);
  expect(after.total_batches).toBe(before.total_batches + 1);
  expect(after.active_batches).toBe(before.active_batches + 1);
  expect(await findBatch(connection, 'unknown')).toBeUndefined();
  expect(await findBatchImages(connection, 'unknown')).toEqual([]);
});

test('an owner sees its own batches, the newest first', async () => {
  const { connection } = system;
  const owner = uniqueName('owner');
  const ids: string[] = [];
  for (const created of [1_000, 3_000, 2_000]) {
    const { batch_id } = await createdBatch(connection, { owner });
    await setBatch(connection, batch_id, { created_at: new Date(created) });
    ids.push(batch_id);
  }
  await createdBatch(connection);
  const [first, second, third] = ids;
  const idsOf = (found: readonly { batch_id: string }[]) => found.map((batch) => batch.batch_id);
  expect(idsOf(await listBatches(connection, owner, 10))).toEqual([second, third, first]);
  expect(idsOf(await listBatches(connection, owner, 1))).toEqual([second]);
  await cancelBatch(connection, second ?? '');
  expect(idsOf(await listActiveBatches(connection, owner))).toEqual([third, first]);
  expect(await listActiveBatchIds(connection, ['nobody', owner])).toEqual([
    { batch_id: third, owner },
    { batch_id: first, owner },
  ]);
  expect(await listBatches(connection, 'nobody', 10)).toEqual([]);
});

test('what is asked for at once never exceeds the month, and nothing is kept of what would', async () => {
  const { connection } = system;
  const owner = uniqueName('owner');
  const budget = { month: MONTH, limit: 14 };
  const asked = Array.from({ length: 6 }, () => newBatch({ owner }));
  const answers = await Promise.all(
    asked.map((one) => createBatch(connection, one.batch, one.images, budget)),
  );
  expect(answers.filter((answer) => answer === 'created')).toHaveLength(2);
  expect(await listBatches(connection, owner, 10)).toHaveLength(2);
  expect(await imageDocuments(connection).countDocuments({ owner })).toBe(12);
  await expectBudget(connection, owner, MONTH);
});

test('a cancelled batch ends what waits; what runs ends by itself; it is told once and stays cancelled', async () => {
  const { connection } = system;
  const budget = { month: MONTH, limit: 100 };
  const { batch_id, owner, images } = await createdBatch(connection, { credits_user_id: 'user-1' }, budget);
  await concludeImage(connection, at(images, 0), success());
  await claimed(connection, at(images, 1));
  await beginCall(connection, at(images, 1), undefined);
  const answers = await Promise.all([1, 2, 3].map(() => cancelBatch(connection, batch_id)));
  const [cancelled] = answers.filter((batch) => batch !== undefined);
  expect(answers.filter((batch) => batch !== undefined)).toHaveLength(1);
  expect(cancelled).toMatchObject({ status: 'cancelled', successful: 1, cancelled: 4 });
  expect(cancelled).toEqual(await batchNow(connection, batch_id));
  expect(await usedOf(connection, owner, MONTH)).toBe(2);
  expect(await claimNextImage(connection, batch_id)).toBeUndefined();
  expect(await finishBatch(connection, batch_id, 1)).toMatchObject({
    kind: 'unfinished',
    images: [{ image_id: at(images, 1).image_id, status: 'running' }],
  });

  await concludeImage(connection, at(images, 1), success());
  const end = await finishBatch(connection, batch_id, 1);
  expect(end).toMatchObject({
    kind: 'finished',
    batch: { status: 'cancelled', successful: 2, cancelled: 4 },
  });
  const [eventId = ''] = end.kind === 'finished' ? end.event_ids : [];
  expect(await outbox().findOne({ _id: eventId })).toMatchObject({
    type: 'icons.batch_finished',
    data: {
      owner,
      batch_id,
      status: 'cancelled',
      total: 6,
      successful: 2,
      failed: 0,
      credits_user_id: 'user-1',
    },
  });
  expect(await typesOf(batch_id)).toEqual(['job_output', 'batch_progress', 'job_output']);
  await expectConsistent(connection, batch_id);
  await expectBudget(connection, owner, MONTH);
  expect(await cancelBatch(connection, batch_id)).toBeUndefined();
  expect(await cancelBatch(connection, 'unknown')).toBeUndefined();
  expect(await retryFailed(connection, batch_id, FREE, undefined)).toEqual({ kind: 'nothing-failed' });
});

test('a batch completes once, told to watchers and receivers once, and is settled by its own round only', async () => {
  const { connection } = system;
  const { batch_id, owner, images } = await createdBatch(connection, {
    categories: ['tools'],
    variations: 2,
  });
  await concludeImage(connection, at(images, 0), success());
  await concludeImage(connection, at(images, 1), FAILURE);
  await markSettled(connection, batch_id, 1);
  expect(await batchNow(connection, batch_id)).toMatchObject({ settled: false });
  expect(await finishBatch(connection, batch_id, 2)).toEqual({ kind: 'settled' });

  const ends = await Promise.all([1, 2, 3].map(() => finishBatch(connection, batch_id, 1)));
  expect(ends.flatMap((end) => (end.kind === 'finished' ? end.event_ids : []))).toHaveLength(1);
  const batch = await batchNow(connection, batch_id);
  expect(batch).toMatchObject({ status: 'completed', successful: 1, failed: 1, settled: false });
  expect(batch.completed_at).not.toBeNull();
  expect(ends).toEqual(ends.map(() => expect.objectContaining({ kind: 'finished', batch })));
  expect(await outbox().countDocuments({ 'data.batch_id': batch_id })).toBe(1);
  expect((await outbox().findOne({ 'data.batch_id': batch_id }))?.data).toEqual({
    owner,
    batch_id,
    status: 'completed',
    total: 2,
    successful: 1,
    failed: 1,
  });
  expect((await allEvents(connection, batch_id)).at(-1)).toMatchObject({
    type: 'job_completed',
    data: { job_id: batch_id, summary: '1 of 2 icons generated, 1 failed' },
  });

  expect(await retryFailed(connection, batch_id, FREE, undefined)).toEqual({ kind: 'unsettled' });
  await markSettled(connection, batch_id, 1);
  expect(await finishBatch(connection, batch_id, 1)).toEqual({ kind: 'settled' });
  expect(await finishBatch(connection, 'unknown', 1)).toEqual({ kind: 'settled' });
  expect(await cancelBatch(connection, batch_id)).toBeUndefined();
  expect(await failBatch(connection, batch_id, 'late')).toBeUndefined();
});

test('images whose jobs got lost come back, as many as may run at a time, marked as queued', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection, { variations: 3, concurrency: 3 });
  await concludeImage(connection, at(images, 0), success());
  const end = await finishBatch(connection, batch_id, 1);
  const lost = end.kind === 'unfinished' ? end.images.map((image) => image.index) : [];
  expect(lost).toEqual([1, 2, 3]);
  expect(await claimNextImage(connection, batch_id)).toMatchObject({ index: 4 });
  expect(await finishBatch(connection, batch_id, 1)).toMatchObject({
    images: [{ index: 1 }, { index: 2 }, { index: 3 }, { index: 4 }],
  });
});

test('a run of the round before changes nothing of what was asked for again', async () => {
  const { connection } = system;
  const { batch_id, images } = await completedBatch([0]);
  const before = at(images, 0);
  const retry = await retryFailed(connection, batch_id, FREE, undefined);
  if (retry.kind !== 'retried') throw new Error(retry.kind);
  const image = at(retry.images, 0);
  expect(await claimed(connection, image)).toMatchObject({ kind: 'leader' });
  expect(await beginCall(connection, before, undefined)).toBe('final');
  expect(await beginCall(connection, image, undefined)).toBe('begun');
  const running = await findImage(connection, image.image_id);
  expect(running).toMatchObject({ status: 'running', attempts: 1 });

  await putOff(connection, before, 'given-back');
  expect(await concludeImage(connection, before, FAILURE)).toBeUndefined();
  expect(await beginDelivery(connection, before, success())).toBeUndefined();
  expect(await findImage(connection, image.image_id)).toEqual(running);
  const delivery = success();
  expect(await beginDelivery(connection, image, delivery)).toEqual(delivery);
  expect(await beginDelivery(connection, before, success())).toBeUndefined();
  expect(await concludeImage(connection, before, success())).toBeUndefined();
  expect(await concludeImage(connection, image, delivery)).toMatchObject({ image: delivery });
  await expectConsistent(connection, batch_id);
});

test('a retry runs the failed images again, in a new round, with new credits', async () => {
  const { connection } = system;
  const { batch_id, owner, images } = await completedBatch([0, 2], {}, 100);
  expect(await usedOf(connection, owner, MONTH)).toBe(1);
  const seen = await batchNow(connection, batch_id);
  const failedAt = (await findImage(connection, at(images, 2).image_id))?.finished_at ?? 0;

  const budget = { month: '2026-12', limit: 2 };
  const answers = await Promise.all(
    [1, 2].map(async () => retryFailed(connection, batch_id, await newRound(connection, 3), budget)),
  );
  const retried = answers.filter((answer) => answer.kind === 'retried');
  const [retry] = retried;
  if (!retry || retried.length > 1) throw new Error(`${retried.length} retries were taken`);
  expect(retry.batch).toEqual(await batchNow(connection, batch_id));
  expect(retry.batch).toMatchObject({
    status: 'running',
    round: 2,
    round_started_at: null,
    done_before_round: 1,
    successful: 1,
    failed: 0,
    completed_at: null,
    settled: false,
    started_at: seen.started_at,
    reservation_id: retry.images[0]?.reservation_id,
  });
  expect(retry.images.map(({ index, status, error, attempts }) => [index, status, error, attempts])).toEqual([
    [0, 'pending', null, 0],
    [2, 'pending', null, 0],
  ]);
  expect(retry.images).toEqual(
    (await findBatchImages(connection, batch_id)).filter((image) => image.status === 'pending'),
  );
  for (const image of retry.images) expect(image.asked_at).toBeGreaterThan(failedAt);
  expect(retry.images.map(({ credits }) => credits)).toEqual([3, 3]);
  expect([await usedOf(connection, owner, MONTH), await usedOf(connection, owner, '2026-12')]).toEqual([
    1, 2,
  ]);
  // Both are queued by whoever retries.
  expect(await claimNextImage(connection, batch_id)).toBeUndefined();

  expect(await claimed(connection, at(retry.images, 0))).toMatchObject({ kind: 'leader' });
  expect(await beginCall(connection, at(retry.images, 0), undefined)).toBe('begun');
  const begun = await batchNow(connection, batch_id);
  expect(begun.round_started_at).toBeGreaterThanOrEqual(seen.completed_at ?? Number.NaN);
  for (const image of retry.images) await concludeImage(connection, image, success());
  expect(await batchNow(connection, batch_id)).toMatchObject({ round_started_at: begun.round_started_at });
  expect(await finishBatch(connection, batch_id, 1)).toEqual({ kind: 'settled' });
  expect(await finishBatch(connection, batch_id, 2)).toMatchObject({
    kind: 'finished',
    batch: { status: 'completed', successful: 3, failed: 0, round: 2 },
  });
  await markSettled(connection, batch_id, 1);
  expect(await batchNow(connection, batch_id)).toMatchObject({ settled: false });
  await markSettled(connection, batch_id, 2);
  expect(await batchNow(connection, batch_id)).toMatchObject({ settled: true });
  expect((await typesOf(batch_id)).filter((type) => type === 'job_completed')).toHaveLength(2);
  await expectConsistent(connection, batch_id);
  expect(await retryFailed(connection, batch_id, FREE, undefined)).toEqual({ kind: 'nothing-failed' });
  expect(await retryFailed(connection, 'unknown', FREE, undefined)).toEqual({ kind: 'nothing-failed' });
});

test('of many images that are retried the first ones are queued, the others wait to be claimed', async () => {
  const { connection } = system;
  const { batch_id } = await completedBatch([0, 1, 2], { concurrency: 2 });
  expect(await retryFailed(connection, batch_id, FREE, undefined)).toMatchObject({
    images: [{ index: 0 }, { index: 1 }, { index: 2 }],
  });
  expect(await claimNextImage(connection, batch_id)).toMatchObject({ index: 2 });
  expect(await claimNextImage(connection, batch_id)).toBeUndefined();
});

test('a batch that failed as a whole is retried like one that completed', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection, { categories: ['tools'], variations: 2 });
  await concludeImage(connection, at(images, 0), success());
  await failBatch(connection, batch_id, 'No progress for 300 s');
  await finishBatch(connection, batch_id, 1);
  await markSettled(connection, batch_id, 1);
  expect(await retryFailed(connection, batch_id, FREE, undefined)).toMatchObject({
    batch: { status: 'running', round: 2, error: null, successful: 1, failed: 0, completed_at: null },
    images: [{ index: 1, status: 'pending' }],
  });
  await expectConsistent(connection, batch_id);
});

test('what was not confirmed is found apart from what is to be made, and cannot be confirmed late', async () => {
  const { connection } = system;
  const { batch, images } = newBatch();
  await createBatch(connection, batch, images, undefined);
  const image = newImage();
  await createImage(connection, image, undefined);
  const idsOf = async (found: Promise<readonly { batch_id: string | null }[]>) =>
    (await found).map(({ batch_id }) => batch_id);
  const imagesOf = async (found: Promise<readonly { image_id: string }[]>) =>
    (await found).map(({ image_id }) => image_id);
  const later = Date.now() + 10_000;
  expect(await idsOf(unconfirmedBatches(connection, later, 100))).toContain(batch.batch_id);
  expect(await idsOf(unsettledBatches(connection, later, 100))).not.toContain(batch.batch_id);
  expect(await imagesOf(unconfirmedSingleImages(connection, later, 100))).toContain(image.image_id);
  expect(await imagesOf(openSingleImages(connection, later, 100))).not.toContain(image.image_id);

  expect(await confirmBatch(connection, batch.batch_id)).toBe(true);
  expect(await confirmImage(connection, image.image_id)).toBe(true);
  expect(await idsOf(unconfirmedBatches(connection, later, 100))).not.toContain(batch.batch_id);
  expect(await idsOf(unsettledBatches(connection, later, 100))).toContain(batch.batch_id);
  expect(await imagesOf(unconfirmedSingleImages(connection, later, 100))).not.toContain(image.image_id);
  expect(await imagesOf(openSingleImages(connection, later, 100))).toContain(image.image_id);

  const late = await createdBatch(connection);
  await setBatch(connection, late.batch_id, { created_at: new Date(Date.now() - 10_000) });
  expect(await confirmBatch(connection, late.batch_id)).toBe(false);
  await cancelBatch(connection, batch.batch_id);
  expect(await confirmBatch(connection, batch.batch_id)).toBe(false);
  await imageDocuments(connection).updateOne(
    { _id: image.image_id },
    { $set: { asked_at: new Date(Date.now() - 10_000) } },
  );
  expect(await confirmImage(connection, image.image_id)).toBe(false);
});

test('a retry over the budget changes nothing', async () => {
  const { connection } = system;
  const { batch_id, owner } = await completedBatch([0, 1], {}, 3);
  const seen = await batchNow(connection, batch_id);
  expect(await retryFailed(connection, batch_id, FREE, { month: MONTH, limit: 2 })).toEqual({
    kind: 'over-budget',
  });
  expect(await batchNow(connection, batch_id)).toEqual(seen);
  await expectBudget(connection, owner, MONTH);
});

test('a batch that does not go on fails with what is open; results of it that come later change nothing', async () => {
  const { connection } = system;
  const { batch_id, owner, images } = await createdBatch(connection, {}, { month: MONTH, limit: 100 });
  await concludeImage(connection, at(images, 0), success());
  await claimed(connection, at(images, 1));
  await beginCall(connection, at(images, 1), undefined);
  const before = await readStats(connection);
  const { progressed_at } = await batchNow(connection, batch_id);
  expect(await failBatch(connection, batch_id, 'too early', progressed_at - 1)).toBeUndefined();
  const failed = await failBatch(connection, batch_id, 'No progress for 300 s', progressed_at);
  expect(failed).toEqual(await batchNow(connection, batch_id));
  expect(failed).toMatchObject({
    status: 'failed',
    error: 'No progress for 300 s',
    successful: 1,
    failed: 5,
  });
  expect(await findImage(connection, at(images, 1).image_id)).toMatchObject({
    status: 'failed',
    error: 'No progress for 300 s',
  });
  expect((await readStats(connection)).total_failed).toBe(before.total_failed + 5);
  expect(await concludeImage(connection, at(images, 1), success())).toBeUndefined();
  expect(await failBatch(connection, batch_id, 'again')).toBeUndefined();
  const told = await allEvents(connection, batch_id);
  expect(told.slice(-2)).toMatchObject([
    { type: 'batch_progress', data: { status: 'failed', completed: 6, failed: 5, progress: 100 } },
    { type: 'job_failed', data: { job_id: batch_id, error: 'No progress for 300 s' } },
  ]);
  await expectConsistent(connection, batch_id);
  await expectBudget(connection, owner, MONTH);
  expect(await finishBatch(connection, batch_id, 1)).toMatchObject({
    kind: 'finished',
    batch: { status: 'failed' },
  });
  expect(await typesOf(batch_id)).not.toContain('job_completed');
});

test('what still runs of a cancelled batch that does not go on is cancelled', async () => {
  const { connection } = system;
  const { batch_id, images } = await createdBatch(connection);
  await claimed(connection, at(images, 0));
  await beginCall(connection, at(images, 0), undefined);
  await cancelBatch(connection, batch_id);
  expect(await failBatch(connection, batch_id, 'No progress')).toMatchObject({
    status: 'cancelled',
    cancelled: 6,
    failed: 0,
  });
  expect(await failBatch(connection, batch_id, 'No progress')).toBeUndefined();
  await expectConsistent(connection, batch_id);
});

test('sweeps find what is not settled, and what is stuck', async () => {
  const { connection } = system;
  const [pending, running, cancelled, ended, over] = [
    await createdBatch(connection),
    await createdBatch(connection),
    await createdBatch(connection),
    await createdBatch(connection, { categories: ['tools'], variations: 1 }),
    await completedBatch([]),
  ];
  await concludeImage(connection, at(running.images, 0), success());
  await claimed(connection, at(cancelled.images, 0));
  await beginCall(connection, at(cancelled.images, 0), undefined);
  await cancelBatch(connection, cancelled.batch_id);
  await cancelBatch(connection, ended.batch_id);
  const all = [pending, running, cancelled, ended, over];
  for (const [place, { batch_id }] of all.entries()) {
    await setBatch(connection, batch_id, { progressed_at: new Date(1_000 + place), confirmed: true });
  }
  const idsOf = (found: readonly { batch_id: string }[]) => found.map((batch) => batch.batch_id);
  expect(idsOf(await unsettledBatches(connection, 2_000, 10))).toEqual(
    idsOf([pending, running, cancelled, ended]),
  );
  expect(idsOf(await unsettledBatches(connection, 1_001, 10))).toEqual(idsOf([pending, running]));
  expect(idsOf(await unsettledBatches(connection, 2_000, 1))).toEqual(idsOf([pending]));
  expect(idsOf(await stuckBatches(connection, 2_000, 10))).toEqual(idsOf([running, cancelled]));
  expect(await stuckBatches(connection, 999, 10)).toEqual([]);
});

test('sweeps find single images without a result', async () => {
  const { connection } = system;
  const old = { ...newImage(), asked_at: 1_000 };
  const young = { ...newImage(), asked_at: 3_000 };
  const ended = { ...newImage(), asked_at: 1_000 };
  for (const image of [old, young, ended]) await createImage(connection, image, undefined);
  const asked = [old, young, ended].map(({ image_id }) => image_id);
  await imageDocuments(connection).updateMany({ _id: { $in: asked } }, { $set: { confirmed: true } });
  await concludeImage(connection, ended, FAILURE);
  const ids = async (by: number, limit: number) =>
    (await openSingleImages(connection, by, limit)).map((image) => image.image_id);
  expect(await ids(2_000, 10)).toEqual([old.image_id]);
  expect(await ids(3_000, 10)).toEqual([old.image_id, young.image_id]);
  expect(await ids(3_000, 1)).toEqual([old.image_id]);
});

test('what ended long ago is removed in pages, with all that belongs to it; the rest stays', async () => {
  const { connection } = system;
  const [old, older, young] = [await completedBatch([]), await completedBatch([1]), await completedBatch([])];
  const unsettled = await createdBatch(connection);
  await cancelBatch(connection, unsettled.batch_id);
  for (const { batch_id } of [old, older, unsettled]) {
    await setBatch(connection, batch_id, { completed_at: new Date(1_000) });
  }
  const single = newImage();
  await createImage(connection, single, undefined);
  await concludeImage(connection, single, FAILURE);
  await imageDocuments(connection).updateOne(
    { _id: single.image_id },
    { $set: { finished_at: new Date(1_000) } },
  );
  const open = newImage();
  await createImage(connection, { ...open, asked_at: 1_000 }, undefined);

  expect(await removeOld(connection, 2_000, 1)).toBe(1);
  expect(await removeOld(connection, 2_000, 2)).toBe(2);
  expect(await removeOld(connection, 2_000, 10)).toBe(0);
  for (const { batch_id } of [old, older]) {
    expect(await findBatch(connection, batch_id)).toBeUndefined();
    expect(await findBatchImages(connection, batch_id)).toEqual([]);
    expect(await allEvents(connection, batch_id)).toEqual([]);
  }
  expect(await findImage(connection, single.image_id)).toBeUndefined();
  expect(await findImage(connection, open.image_id)).toBeDefined();
  for (const { batch_id } of [young, unsettled]) await expectConsistent(connection, batch_id);
});
