import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CreditsProvider } from '../../src/domain/credits/provider.ts';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { cancelBatch, createBatch, failBatch } from '../../src/models/iconBatches.ts';
import { createImage, findImage } from '../../src/models/iconImages.ts';
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

/** Between the charge of an icon and its end something else happens. */
function workMeanwhile(meanwhile: () => Promise<unknown>) {
  return workWith({
    reservationIdOf: (reference) => provider.reservationIdOf(reference),
    reserve: (request) => provider.reserve(request),
    release: (request) => provider.release(request),
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
  const [balance] = await findBalances(icons.system.connection, [user]);
  return CREDITS - (balance?.available ?? 0);
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
  const { connection } = icons.system;
  const user = await newPayer();
  const reservation_id = await reserved(user, 1);
  const image_id = randomUUID();
  await createImage(connection, { ...newImage(), image_id, credits: PRICE, reservation_id }, undefined);
  const image = await imageNow(image_id);
  const work = workMeanwhile(() => conclude(workWith(provider), image, FAILED, run));
  await conclude(work, image, success(), run);
  await expectPaidIfDelivered(user, image);
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

test('an icon whose batch was failed before costs nothing', async () => {
  const { connection } = icons.system;
  const { user, batch_id, image } = await paidBatch();
  await failBatch(connection, batch_id, 'No progress');
  await conclude(workWith(provider), image, success(), run);
  expect(await expectPaidIfDelivered(user, image)).toMatchObject({ status: 'failed', file: null });
});
