import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OpenAiBehaviour } from '../../sandbox/openai/behaviour.ts';
import { archivePath } from '../../src/domain/icons/archivePath.ts';
import { categoryTitle } from '../../src/domain/icons/categories.ts';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { listCalls } from '../../src/models/iconCalls.ts';
import { claimGeneration, recordFile } from '../../src/models/iconGenerations.ts';
import { beginCall, beginDelivery } from '../../src/models/iconImages.ts';
import { readStats } from '../../src/models/iconStats.ts';
import { DiskStorage } from '../../src/platforms/storage/disk.ts';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { prefixOf } from '../../src/producers/queues.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { at, killed, success } from '../models/iconFixtures.ts';
import { waitFor } from '../support/waitFor.ts';
import { CALLER, type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;

beforeAll(async () => {
  icons = await openIcons();
  icons.start();
});
afterAll(() => icons?.remove());
beforeEach(() => icons.openai.behave(() => undefined));

/** Answers the requests for that category in turn, then as usual. */
function answer(category: string, ...behaviours: readonly OpenAiBehaviour[]): void {
  const left = [...behaviours];
  const title = categoryTitle(category);
  icons.openai.behave(({ prompt }) => (prompt.includes(title) ? left.shift() : undefined));
}

async function callsOf(imageId: string) {
  const calls = await Promise.all(
    (['pending', 'delivered', 'refused', 'unknown'] as const).map((outcome) =>
      listCalls(icons.system.connection, outcome, 1_000),
    ),
  );
  return calls
    .flat()
    .filter((call) => call.image_id === imageId)
    .map((call) => call.outcome)
    .toSorted();
}

describe('one icon', () => {
  test('is made, verified, stored as PNG and found again by the next one who asks', async () => {
    answer('zebra', { kind: 'make', image: 'jpeg' });
    const made = await icons.ended(await icons.ask('zebra'));
    expect(made).toMatchObject({ status: 'succeeded', attempts: 1, cached: false, error: null });
    const bytes = await readFile(join(icons.storagePath, made.file?.path ?? ''));
    expect(bytes.length).toBe(made.file?.size);
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', width: 1024, height: 1024 });
    const again = await icons.ended(await icons.ask('Zebra'));
    expect(again).toMatchObject({ status: 'succeeded', attempts: 0, cached: true, file: made.file });
    expect(icons.paid('zebra')).toBe(1);
  });

  test('whose file is gone is made again', async () => {
    const first = await icons.ended(await icons.ask('ghost'));
    await rm(join(icons.storagePath, first.file?.path ?? ''));
    const second = await icons.ended(await icons.ask('ghost'));
    expect(second).toMatchObject({ status: 'succeeded', cached: false });
    await readFile(join(icons.storagePath, second.file?.path ?? ''));
    expect(icons.paid('ghost')).toBe(2);
  });

  test('is tried three times when calls fail, and no more', async () => {
    answer('patient', { kind: 'fail', status: 500 }, { kind: 'fail', status: 503 });
    const imageId = await icons.ask('patient');
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 3 });
    expect(await callsOf(imageId)).toEqual(['delivered', 'refused', 'refused']);

    answer('hopeless', ...Array.from({ length: 9 }, () => ({ kind: 'fail', status: 500 }) as const));
    expect(await icons.ended(await icons.ask('hopeless'))).toMatchObject({
      status: 'failed',
      attempts: 3,
      error: expect.stringMatching(/^Failed after 3 attempts: 500/),
    });
  });

  test('asked for by many is tried three times together, and all are told so', async () => {
    icons.openai.behave(({ prompt }) =>
      prompt.includes('Crowded') ? { kind: 'fail', status: 500 } : undefined,
    );
    const before = icons.openai.received.length;
    const asked = await Promise.all(Array.from({ length: 20 }, () => icons.ask('crowded')));
    for (const imageId of asked) {
      expect(await icons.ended(imageId)).toMatchObject({
        status: 'failed',
        attempts: 3,
        error: expect.stringMatching(/^Failed after 3 attempts: 500/),
      });
    }
    expect(icons.openai.received.length - before).toBe(3);
  });

  test('that meets the limits of the provider waits, and no attempt is burnt', async () => {
    const limited = { kind: 'rate-limit' } as const;
    answer('modest', limited, { ...limited, retryAfter: { milliseconds: 30 } }, limited, limited);
    const imageId = await icons.ask('modest');
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(await callsOf(imageId)).toEqual(['delivered', 'refused', 'refused', 'refused', 'refused']);
  });

  test('that the provider refuses fails for good, also for those who wait for it', async () => {
    icons.openai.behave(({ prompt }) =>
      prompt.includes('Forbidden') ? { kind: 'answer', status: 400, body: blocked } : undefined,
    );
    const asked = await Promise.all(Array.from({ length: 4 }, () => icons.ask('forbidden')));
    for (const imageId of asked) {
      expect(await icons.ended(imageId)).toMatchObject({
        status: 'failed',
        error: expect.stringMatching(/^moderation_blocked: /),
      });
    }
    icons.openai.behave(() => undefined);
    expect(await icons.ended(await icons.ask('forbidden'))).toMatchObject({ status: 'succeeded' });
  });

  const lost: readonly (readonly [string, OpenAiBehaviour])[] = [
    ['a lost connection', { kind: 'make-and-drop' }],
    ['an answer that breaks off', { kind: 'make-and-break-off' }],
    ['bytes that are no image', { kind: 'make', image: 'garbage' }],
    ['half an image', { kind: 'make', image: 'truncated' }],
    ['a pixel bomb', { kind: 'make', image: 'bomb' }],
    ['an SVG', { kind: 'make', image: 'svg' }],
  ];
  test.each(lost)('is paid twice at most: %s', async (what, behaviour) => {
    const once = `once ${what}`;
    answer(once, behaviour);
    const good = await icons.ask(once);
    expect(await icons.ended(good)).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await callsOf(good)).toEqual(['delivered', 'unknown']);

    const ever = `ever ${what}`;
    answer(ever, behaviour, behaviour);
    const bad = await icons.ask(ever);
    expect(await icons.ended(bad)).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(
        /^Failed after 2 attempts: .*second call for this icon that may have been paid/,
      ),
    });
    expect(await callsOf(bad)).toEqual(['unknown', 'unknown']);
    expect([icons.paid(once), icons.paid(ever)]).toEqual([2, 2]);
  });

  test('of an unusable answer shows the tokens that the answer names', async () => {
    answer('tokens', { kind: 'make', image: 'garbage' }, { kind: 'make-and-answer', body: NO_IMAGE });
    const imageId = await icons.ask('tokens');
    expect(await icons.ended(imageId)).toMatchObject({ status: 'failed' });
    const calls = (await listCalls(icons.system.connection, 'unknown', 1_000))
      .filter((call) => call.image_id === imageId)
      .map(({ tokens }) => tokens);
    const [charged] = icons.openai.paid.filter(({ prompt }) => prompt.includes(categoryTitle('tokens')));
    expect(calls).toEqual([1_234, charged?.tokens]);
  });

  test('asked for 50 times at once is made once', async () => {
    answer('popular', { kind: 'make', milliseconds: 200 });
    const asked = await Promise.all(Array.from({ length: 50 }, () => icons.ask('popular')));
    const ended = await Promise.all(asked.map((imageId) => icons.ended(imageId)));
    expect(new Set(ended.map((image) => image.file?.path)).size).toBe(1);
    expect(ended.filter((image) => !image.cached)).toHaveLength(1);
    expect(icons.paid('popular')).toBe(1);
  });
});

describe('an icon that costs credits', () => {
  test('is not made once they have come back by themselves', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const [late, early] = [await icons.ask('too late'), await icons.ask('early enough')];
    const asked = (hours: number) => ({
      credits: 1,
      reservation_id: 'a-hold-of-nobody',
      asked_at: new Date(Date.now() - hours * 3_600_000),
    });
    const images = icons.system.connection.collection<{ _id: string }>('icon_images');
    await images.updateOne({ _id: late }, { $set: asked(24) });
    await images.updateOne({ _id: early }, { $set: asked(23) });
    await queue.resume();
    expect(await icons.ended(late)).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('credits'),
    });
    expect(icons.paid('too late')).toBe(0);
    await icons.ended(early);
    expect(icons.paid('early enough')).toBe(1);
  });
});

describe('a killed worker', () => {
  /** What a run that was killed in its call has left behind. */
  async function killedInCall(category: string): Promise<string> {
    const imageId = await icons.ask(category);
    const image = await icons.image(imageId);
    const { connection } = icons.system;
    expect(await claimGeneration(connection, image.content_key, image, 60_000)).toMatchObject({
      kind: 'leader',
    });
    const call = { call_id: randomUUID(), model: image.model };
    expect(await beginCall(connection, image, call)).toBe('begun');
    await killed(connection, image);
    return imageId;
  }

  test('leaves a call of unknown outcome, and the image is made once more at most', async () => {
    await icons.queues.of(iconsQueue).pause();
    const once = await killedInCall('killed once');
    const twice = await killedInCall('killed twice');
    const image = await icons.image(twice);
    await claimGeneration(icons.system.connection, image.content_key, image, 60_000);
    await beginCall(icons.system.connection, image, { call_id: randomUUID(), model: image.model });
    await killed(icons.system.connection, image);
    await icons.queues.of(iconsQueue).resume();
    expect(await icons.ended(once)).toMatchObject({ status: 'succeeded', attempts: 2 });
    expect(await callsOf(once)).toEqual(['delivered', 'unknown']);
    expect(await icons.ended(twice)).toMatchObject({
      status: 'failed',
      attempts: 2,
      error: expect.stringMatching(/^Failed after 2 attempts: it is not known what became of two calls/),
    });
    expect(await callsOf(twice)).toEqual(['unknown', 'unknown']);
    expect([icons.paid('killed once'), icons.paid('killed twice')]).toEqual([1, 0]);
  });
});

/** Runs that find the job of an image as another process has left it. */
describe('what was delivered before a kill', () => {
  /** A call was paid and its file recorded; the run was killed before it concluded the image. */
  async function killedAfterDelivery(imageId: string): Promise<IconImage> {
    const { connection } = icons.system;
    const image = await icons.image(imageId);
    const call_id = randomUUID();
    await claimGeneration(connection, image.content_key, image, 60_000);
    await beginCall(connection, image, { call_id, model: image.model });
    const { file } = success();
    await mkdir(dirname(join(icons.storagePath, file.path)), { recursive: true });
    await writeFile(join(icons.storagePath, file.path), 'icon');
    const { category, style, color_scheme, model } = image;
    await recordFile(connection, {
      key: image.content_key,
      image_id: imageId,
      call_id,
      tokens: 1,
      file,
      metadata: { category, style, color_scheme, model },
      generation_milliseconds: 1_000,
    });
    return { ...image, file };
  }

  test('is no icon of the cache', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const image = await killedAfterDelivery(await icons.ask('late shift'));
    const before = await readStats(icons.system.connection);
    await queue.resume();
    expect(await icons.ended(image.image_id)).toMatchObject({
      status: 'succeeded',
      cached: false,
      file: image.file,
    });
    const { total_generated } = await readStats(icons.system.connection);
    expect(total_generated).toBe(before.total_generated + 1);
  });

  test('is delivered though the batch was cancelled meanwhile', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const batchId = await icons.askBatch(['night shift', 'day shift']);
    const [first] = await icons.images(batchId);
    const image = await killedAfterDelivery(first?.image_id ?? '');
    expect(await icons.requests.cancel(batchId, CALLER)).toBe(true);
    await queue.resume();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'cancelled', successful: 1, cancelled: 1 });
    expect(await icons.image(image.image_id)).toMatchObject({ status: 'succeeded', file: image.file });
  });

  test('out of the cache is delivered once it may have been charged, though the batch was cancelled', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const batchId = await icons.askBatch(['charged shift', 'free shift']);
    const image = at(await icons.images(batchId), 0);
    const delivery = success({ cached: true });
    expect(await beginDelivery(icons.system.connection, image, delivery)).toEqual(delivery);
    expect(await icons.requests.cancel(batchId, CALLER)).toBe(true);
    await queue.resume();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'cancelled', successful: 1, cancelled: 1 });
    expect(await icons.image(image.image_id)).toMatchObject({ status: 'succeeded', file: delivery.file });
    expect(icons.paid('charged shift')).toBe(0);
  });
});

describe('a batch', () => {
  test('is not brought forward by a job of an earlier round', async () => {
    const queue = icons.queues.of(iconsQueue);
    icons.openai.behave(({ prompt }) => (prompt.includes('Stale') ? { kind: 'moderate' } : undefined));
    const batchId = await icons.askBatch(['stale']);
    await icons.settled(batchId);
    const [old] = await icons.images(batchId);
    await icons.system.connection
      .collection<{ _id: string }>('icon_images')
      .updateOne({ _id: String(old?.image_id) }, { $set: { status: 'running', asked_at: new Date() } });
    const before = icons.openai.received.length;
    const jobId = `${old?.image_id}-${old?.asked_at}`;
    const data = { payload: { image_id: old?.image_id }, request_ids: [] };
    const events = icons.lines.length;
    await queue.add('generate-icon', data, { ...jobOptions(iconsQueue, 'generate-icon'), jobId });
    await waitFor('the end of the job', async () =>
      icons.lines.slice(events).some((one) => one.includes(jobId) && one.includes('job ended'))
        ? true
        : undefined,
    );
    expect(icons.openai.received.length).toBe(before);
    expect(await icons.image(String(old?.image_id))).toMatchObject({ status: 'running' });
  });

  test('never has more calls under way than it may, and ends with its last image', async () => {
    let [begun, underWay, most] = [0, 0, 0];
    let allowed = Promise.withResolvers<void>();
    icons.openai.behave(() => {
      begun += 1;
      underWay += 1;
      most = Math.max(most, underWay);
      const until = allowed.promise.then(() => {
        underWay -= 1;
      });
      if (underWay === 3 || begun === 10) {
        // One too many may still come.
        setTimeout(allowed.resolve, 40);
        allowed = Promise.withResolvers();
      }
      return { kind: 'make', until };
    });
    const batchId = await icons.askBatch(Array.from({ length: 10 }, (_, index) => `slice ${index}`));
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 10, failed: 0 });
    expect({ begun, most }).toEqual({ begun: 10, most: 3 });
  });

  test('completes with what failed, which alone is made again', async () => {
    icons.openai.behave(({ prompt }) => (prompt.includes('Bad') ? { kind: 'moderate' } : undefined));
    const batchId = await icons.askBatch([
      'fine one',
      'bad one',
      'bad two',
      'fine two',
      'bad three',
      'bad four',
    ]);
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 2, failed: 4 });
    icons.openai.behave(() => undefined);
    const before = icons.openai.received.length;
    expect(await icons.requests.retryFailed(batchId, CALLER)).toEqual({ kind: 'started', images: 4 });
    expect(await icons.settled(batchId)).toMatchObject({
      status: 'completed',
      successful: 6,
      failed: 0,
      round: 2,
    });
    expect(icons.openai.received.length - before).toBe(4);
    expect(await icons.requests.retryFailed(batchId, CALLER)).toEqual({ kind: 'nothing-failed' });
    expect(await icons.requests.retryFailed(batchId, { ...CALLER, owner: 'other' })).toEqual({
      kind: 'not-found',
    });
  });

  test('that is cancelled calls no more for what a failed call has put off', async () => {
    icons.openai.behave(({ prompt }) =>
      prompt.includes('Late') ? { kind: 'rate-limit', retryAfter: { milliseconds: 400 } } : undefined,
    );
    const batchId = await icons.askBatch(['late one', 'late two']);
    await waitFor('a refusal', async () =>
      icons.openai.received.some(({ generation }) => generation?.prompt.includes('Late')) ? true : undefined,
    );
    expect(await icons.requests.cancel(batchId, { ...CALLER, owner: 'other' })).toBe(false);
    expect(await icons.requests.cancel(batchId, CALLER)).toBe(true);
    expect(await icons.requests.cancel(batchId, CALLER)).toBe(false);
    icons.openai.behave(() => undefined);
    expect(await icons.settled(batchId)).toMatchObject({ status: 'cancelled', successful: 0, cancelled: 2 });
    expect(icons.paid('late one') + icons.paid('late two')).toBe(0);
  });

  test('goes on without an image whose job broke for good', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const batchId = await icons.askBatch(['broken', 'whole one', 'whole two', 'whole three']);
    const [broken] = await icons.images(batchId);
    const job = await queue.getJob(`${broken?.image_id}-${broken?.asked_at}`);
    await job?.updateData({ payload: {}, request_ids: [] });
    await queue.resume();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 3, failed: 1 });
    expect((await icons.images(batchId))[0]).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('job broke'),
    });
  });
});

describe('the sweep', () => {
  const batches = () => icons.system.connection.collection<{ _id: string }>('icon_batches');
  const images = () => icons.system.connection.collection<{ _id: string }>('icon_images');
  const age = (batchId: string, milliseconds: number) =>
    batches().updateOne({ _id: batchId }, { $set: { progressed_at: new Date(Date.now() - milliseconds) } });

  async function loseRedis(): Promise<void> {
    const keys = await icons.system.redis.keys(`${prefixOf(icons.system.prefix, iconsQueue)}:icons:*`);
    const parents = await icons.system.redis.keys(
      `${prefixOf(icons.system.prefix, iconsQueue)}:icon-batches:finish-*`,
    );
    expect(parents.length).toBeGreaterThan(0);
    await icons.system.redis.unlink(...keys, ...parents);
  }

  test('starts batches and images anew whose jobs are lost', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const batchId = await icons.askBatch(['lost 1', 'lost 2', 'lost 3', 'lost 4', 'lost 5']);
    const imageId = await icons.ask('lost alone');
    await loseRedis();
    await icons.sweep();
    expect(await queue.count()).toBe(0);
    await age(batchId, 60_000);
    await images().updateOne({ _id: imageId }, { $set: { asked_at: new Date(Date.now() - 60_000) } });
    await queue.resume();
    await icons.sweep();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 5 });
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded' });
  });

  test('fails nothing while the making of icons is paused, and gives it its time afterwards', async () => {
    const queue = icons.queues.of(iconsQueue);
    icons.openai.behave(({ prompt }) => (prompt.includes('Quota') ? { kind: 'no-quota' } : undefined));
    const batchId = await icons.askBatch(['quota 1', 'quota 2', 'quota 3', 'quota 4']);
    await waitFor('the pause', async () => ((await queue.isPaused()) ? true : undefined));
    const alone = await icons.ask('paused alone');
    await images().updateOne({ _id: alone }, { $set: { asked_at: new Date(Date.now() - 400_000) } });
    await age(batchId, 400_000);
    await icons.sweep();
    expect(await icons.batch(batchId)).toMatchObject({ status: 'running', failed: 0 });
    icons.openai.behave(() => undefined);
    await queue.resume();
    await icons.sweep();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 4 });
    expect(await icons.ended(alone)).toMatchObject({ status: 'succeeded' });
  });

  test('fails nothing that stands in line', async () => {
    const queue = icons.queues.of(iconsQueue);
    const served = Promise.withResolvers<void>();
    icons.openai.behave(() => ({ kind: 'make', until: served.promise }));
    await Promise.all(Array.from({ length: 20 }, (_, index) => icons.ask(`served ${index}`)));
    await waitFor('all are busy', async () => ((await queue.getActiveCount()) === 20 ? true : undefined));
    const batchId = await icons.askBatch(['line 1', 'line 2']);
    await batches().updateOne({ _id: batchId }, { $set: { status: 'running' } });
    const alone = await icons.ask('line alone');
    await images().updateOne({ _id: alone }, { $set: { asked_at: new Date(Date.now() - 400_000) } });
    await age(batchId, 400_000);
    await icons.sweep();
    served.resolve();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed', successful: 2 });
    expect(await icons.ended(alone)).toMatchObject({ status: 'succeeded' });
  });

  test('cancels what was kept for a sender who was told to come back', async () => {
    const queue = icons.queues.of(iconsQueue);
    await queue.pause();
    const batchId = await icons.askBatch(['unheard 1', 'unheard 2']);
    const imageId = await icons.ask('unheard alone');
    // As a process leaves it that loses MongoDB right after the commit.
    await loseRedis();
    await batches().updateOne({ _id: batchId }, { $set: { confirmed: false } });
    const kept = { confirmed: false, asked_at: new Date(Date.now() - 60_000) };
    await images().updateOne({ _id: imageId }, { $set: kept });
    await age(batchId, 60_000);
    await queue.resume();
    await icons.sweep();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'cancelled', cancelled: 2 });
    expect(await icons.image(imageId)).toMatchObject({ status: 'cancelled' });
    expect(await queue.count()).toBe(0);
  });

  test('ends what does not move, and nothing else', async () => {
    const held = Promise.withResolvers<void>();
    icons.openai.behave(() => ({ kind: 'make', until: held.promise }));
    const stuck = await icons.askBatch(['stuck 1', 'stuck 2', 'stuck 3', 'stuck 4']);
    await waitFor('it runs', async () =>
      (await icons.batch(stuck)).status === 'running' ? true : undefined,
    );
    const alone = await icons.ask('stuck alone');
    await waitFor('it runs', async () =>
      (await icons.image(alone)).status === 'running' ? true : undefined,
    );
    const moving = await icons.askBatch(['moving']);
    await images().updateOne({ _id: alone }, { $set: { asked_at: new Date(Date.now() - 400_000) } });
    await age(stuck, 400_000);
    await icons.sweep();
    expect(await icons.batch(stuck)).toMatchObject({
      status: 'failed',
      failed: 4,
      error: 'No progress for 300 s',
    });
    expect(await icons.image(alone)).toMatchObject({ status: 'failed', error: 'No progress for 300 s' });
    expect(await icons.batch(moving)).toMatchObject({ failed: 0 });
    icons.openai.behave(() => undefined);
    held.resolve();
    expect(await icons.settled(moving)).toMatchObject({ status: 'completed', successful: 1 });
    await age(stuck, 60_000);
    await icons.sweep();
    expect(await icons.settled(stuck)).toMatchObject({ status: 'failed', successful: 0 });
    expect(await icons.requests.retryFailed(stuck, CALLER)).toEqual({ kind: 'started', images: 4 });
    await waitFor('the retry', async () =>
      (await icons.batch(stuck)).status === 'completed' ? true : undefined,
    );
  });

  test('closes a round that nobody closed', async () => {
    const batchId = await icons.askBatch(['unclosed']);
    await icons.settled(batchId);
    await batches().updateOne({ _id: batchId }, { $set: { settled: false } });
    await age(batchId, 60_000);
    await icons.sweep();
    expect(await icons.settled(batchId)).toMatchObject({ status: 'completed' });
  });

  test('removes what is old', async () => {
    const batchId = await icons.askBatch(['old']);
    const { completed_at } = await icons.settled(batchId);
    expect(completed_at).not.toBeNull();
    await batches().updateOne({ _id: batchId }, { $set: { completed_at: new Date(0) } });
    const storage = new DiskStorage(icons.storagePath);
    const archive = archivePath(batchId, 'archive');
    await storage.put(archive, Buffer.from('archive'));
    await icons.sweep();
    await expect(icons.batch(batchId)).rejects.toThrow();
    expect(await storage.stat(archive)).toBeUndefined();
    expect(await icons.images(batchId)).toEqual([]);
  });
});

const NO_IMAGE = '{"created":1,"data":[],"usage":{"total_tokens":1234}}';
const blocked = JSON.stringify({
  error: { message: 'No.', type: 'image_generation_user_error', param: null, code: 'moderation_blocked' },
});
