import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CreditsProvider } from '../../src/domain/credits/provider.ts';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import {
  cancelBatch,
  createBatch,
  failBatch,
  finishBatch,
  markSettled,
  retryFailed,
} from '../../src/models/iconBatches.ts';
import { createImage, findImage } from '../../src/models/iconImages.ts';
import { abandonReservations } from '../../src/models/iconReservations.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { IconCredits } from '../../src/producers/icons/iconCredits.ts';
import { LocalCredits } from '../../src/providers/credits/local.ts';
import { conclude } from '../../src/workers/icons/iconWork.ts';
import { batchNow, expectConsistent, newBatch, newImage, success } from '../models/iconFixtures.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { uniqueName } from '../support/testSystem.ts';

const PRICE = 2;
const CREDITS = 100;
const FAILED = { status: 'failed', error: 'No progress' } as const;
const run = { logger: pino({ level: 'silent' }) };

let icons: IconsSystem;
let ledger: Ledger;
let provider: CreditsProvider;

beforeAll(async () => {
  icons = await createIconsSystem('icons-charged');
  ledger = new Ledger(icons.system.connection);
  provider = new LocalCredits(ledger);
});
afterAll(() => icons?.remove());

function workWith(credits: CreditsProvider) {
  const { connection, redis, prefix } = icons.system;
  return { connection, redis, prefix, credits: new IconCredits(connection, credits, PRICE) };
}

function realCredits(): CreditsProvider {
  return {
    reservationIdOf: (reference) => provider.reservationIdOf(reference),
    reserve: (request) => provider.reserve(request),
    capture: (request) => provider.capture(request),
    release: (request) => provider.release(request),
  };
}

/** Between the charge of an icon and its end something else happens. */
function workMeanwhile(meanwhile: () => Promise<unknown>) {
  return workWith({
    ...realCredits(),
    async capture(request) {
      const outcome = await provider.capture(request);
      await meanwhile();
      return outcome;
    },
  });
}

async function newPayer(): Promise<string> {
  const user_id = uniqueName('payer');
  const names = { username: user_id, email: `${user_id}@example.test` };
  await ledger.execute({ kind: 'create-user', user_id, ...names, initial_credits: CREDITS });
  return user_id;
}

async function paidSingle() {
  const user = await newPayer();
  const reservation_id = await reserved(user, 1);
  const image_id = randomUUID();
  await createImage(
    icons.system.connection,
    { ...newImage(), image_id, credits: PRICE, reservation_id },
    undefined,
  );
  return { user, reservation_id, image: await imageNow(image_id) };
}

async function reserved(user: string, images: number): Promise<string> {
  const reservation = await workWith(provider).credits.reserve(user, images);
  if (reservation.kind !== 'reserved' || reservation.reservation_id === null) throw new Error('Not reserved');
  return reservation.reservation_id;
}

async function paidBatch() {
  const user = await newPayer();
  const { batch, images } = newBatch({ categories: ['one', 'two', 'three'], variations: 1 });
  const reservation_id = await reserved(user, images.length);
  const paid = images.map((image) => ({ ...image, credits: PRICE, reservation_id }));
  await createBatch(icons.system.connection, { ...batch, reservation_id }, paid, undefined);
  return { user, batch_id: batch.batch_id, image: await imageNow(`${batch.batch_id}-0`) };
}

async function imageNow(imageId: string): Promise<IconImage> {
  const image = await findImage(icons.system.connection, imageId);
  if (!image) throw new Error('There is no such image');
  return image;
}

/** What the icons have cost for good, once the rest was given back. */
async function charged(user: string, image: IconImage): Promise<number> {
  await workWith(provider).credits.release(image.reservation_id);
  return CREDITS - (await available(user));
}

async function available(user: string): Promise<number> {
  const [found] = await findBalances(icons.system.connection, [user]);
  return found?.available ?? 0;
}

/** An icon is paid when, and only when, it is delivered. */
async function expectPaidIfDelivered(user: string, image: IconImage): Promise<IconImage> {
  const now = await imageNow(image.image_id);
  expect(await charged(user, image)).toBe(now.status === 'succeeded' ? PRICE : 0);
  await expectCleanLedger(icons.system);
  return now;
}

test('a batch that is failed right after an icon was charged leaves the icon to be delivered', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image } = await paidBatch();
  const work = workMeanwhile(() => failBatch(connection, batch_id, 'No progress'));
  await conclude(work, image, success(), run);
  await expectPaidIfDelivered(user, image);
  await expectConsistent(connection, batch_id);
});

test('an icon out of the cache is delivered whose batch is cancelled right after it was charged', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image } = await paidBatch();
  const work = workMeanwhile(() => cancelBatch(connection, batch_id));
  await conclude(work, image, success({ cached: true }), run);
  const now = await expectPaidIfDelivered(user, image);
  expect(now.status).toBe('succeeded');
  expect(await batchNow(connection, batch_id)).toMatchObject({ status: 'cancelled', successful: 1 });
  await expectConsistent(connection, batch_id);
});

test('a single icon is delivered that times out right after it was charged', async () => {
  const { user, image } = await paidSingle();
  const work = workMeanwhile(() => conclude(workWith(provider), image, FAILED, run));
  await conclude(work, image, success(), run);
  await expectPaidIfDelivered(user, image);
});

test('a single icon is paid that times out right before it is charged', async () => {
  const { user, image } = await paidSingle();
  const work = workWith({
    ...realCredits(),
    async capture(request) {
      await conclude(workWith(provider), image, FAILED, run);
      return provider.capture(request);
    },
  });
  await conclude(work, image, success(), run);
  const now = await expectPaidIfDelivered(user, image);
  expect(now.status).toBe('succeeded');
});

test('the credits of a single icon that failed come back, also when the worker is killed before it gives them back', async () => {
  const { connection } = icons.system;
  const { user, reservation_id, image } = await paidSingle();
  const killed = workWith({ ...realCredits(), release: () => Promise.reject(new Error('killed')) });
  await expect(conclude(killed, image, FAILED, run)).rejects.toThrow('killed');
  expect(await imageNow(image.image_id)).toMatchObject(FAILED);
  expect(await available(user)).toBe(CREDITS - PRICE);

  // As the sweep does; its job's next run finds the image ended.
  await conclude(workWith(provider), image, FAILED, run);
  expect(await abandonReservations(connection, Date.now() + 60_000, 100)).toEqual([reservation_id]);
  await workWith(provider).credits.giveUp(reservation_id);
  expect(await available(user)).toBe(CREDITS);
  expect(await abandonReservations(connection, Date.now() + 60_000, 100)).toEqual([]);
  await expectCleanLedger(icons.system);
});

test('nothing is left to give back of a single icon that failed', async () => {
  const { connection } = icons.system;
  const { user, image } = await paidSingle();
  await conclude(workWith(provider), image, FAILED, run);
  expect(await available(user)).toBe(CREDITS);
  expect(await abandonReservations(connection, Date.now() + 60_000, 100)).toEqual([]);
});

test('a killed worker that had charged an icon leaves it to be delivered, whatever is wanted then', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image } = await paidBatch();
  const killed = workMeanwhile(() => Promise.reject(new Error('killed')));
  const delivered = success();
  await expect(conclude(killed, image, delivered, run)).rejects.toThrow('killed');
  await failBatch(connection, batch_id, 'No progress');
  // As the sweep does with a job that is dead.
  await conclude(workWith(provider), await imageNow(image.image_id), FAILED, run);
  const now = await expectPaidIfDelivered(user, image);
  expect(now).toMatchObject({ status: 'succeeded', file: delivered.file, cached: false });
  await expectConsistent(connection, batch_id);
});

test('a run of the round before neither ends the image of the retry nor charges for it', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image: before } = await paidBatch();
  await failBatch(connection, batch_id, 'No progress');
  expect(await finishBatch(connection, batch_id, 1)).toMatchObject({ kind: 'finished' });
  await workWith(provider).credits.release(before.reservation_id);
  await markSettled(connection, batch_id, 1);
  await retryFailed(
    connection,
    batch_id,
    { reservation_id: await reserved(user, 3), credits: PRICE },
    undefined,
  );
  const image = await imageNow(before.image_id);

  await conclude(workWith(provider), before, FAILED, run);
  await conclude(workWith(provider), before, success(), run);
  expect(await imageNow(image.image_id)).toEqual(image);
  const killed = workMeanwhile(() => Promise.reject(new Error('killed')));
  const delivered = success();
  await expect(conclude(killed, image, delivered, run)).rejects.toThrow('killed');
  await conclude(workWith(provider), before, success(), run);
  expect(await imageNow(image.image_id)).toMatchObject({ status: 'delivering' });
  await conclude(workWith(provider), await imageNow(image.image_id), FAILED, run);
  expect(await expectPaidIfDelivered(user, image)).toMatchObject({
    status: 'succeeded',
    file: delivered.file,
  });
  await expectConsistent(connection, batch_id);
});

test('an icon whose batch was failed before costs nothing', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image } = await paidBatch();
  await failBatch(connection, batch_id, 'No progress');
  await conclude(workWith(provider), image, success(), run);
  expect(await expectPaidIfDelivered(user, image)).toMatchObject({ status: 'failed', file: null });
});
