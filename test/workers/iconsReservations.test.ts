import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import type { CreditsProvider, ReserveOutcome } from '../../src/domain/credits/provider.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { imageSettings } from '../../src/platforms/images/openImageProvider.ts';
import { IconRequests } from '../../src/producers/icons/iconRequests.ts';
import { LocalCredits } from '../../src/providers/credits/local.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { CALLER, type IconsUnderTest, openIcons, requestOf } from './iconsUnderTest.ts';

const PRICED = { ICONS_CREDITS_PER_ICON: '2' };

let icons: IconsUnderTest;
let ledger: Ledger;
let provider: CreditsProvider;

beforeAll(async () => {
  icons = await openIcons({ ...PRICED, OPENAI_TIMEOUT_SECONDS: '60' });
  icons.start();
  ledger = new Ledger(icons.system.connection);
  provider = new LocalCredits(ledger);
});
afterAll(() => icons?.remove());

/** Requests of somebody with credits. What was reserved for them is answered as told. */
async function payer(answer: (reserved: ReserveOutcome) => Promise<ReserveOutcome>) {
  const { system, queues } = icons;
  const user_id = uniqueName('payer');
  const names = { username: user_id, email: `${user_id}@example.test` };
  await ledger.execute({ kind: 'create-user', user_id, ...names, initial_credits: 100 });
  const environment = readEnvironment({ ...system.environment, ...PRICED, OPENAI_API_KEY: 'sk-unused' });
  const requests = new IconRequests({
    connection: system.connection,
    redis: system.redis,
    prefix: system.prefix,
    queues,
    settings: imageSettings(environment),
    credits: {
      reservationIdOf: (reference) => provider.reservationIdOf(reference),
      reserve: async (request) => answer(await provider.reserve(request)),
      capture: (request) => provider.capture(request),
      release: (request) => provider.release(request),
    },
    environment,
  });
  const caller = { ...CALLER, owner: user_id, credits_user_id: user_id };
  const start = (answerBefore = Number.POSITIVE_INFINITY) =>
    requests.startIcon(requestOf(user_id), caller, answerBefore);
  const startBatch = (answerBefore: number) => {
    const { style, color_scheme } = requestOf(user_id);
    const batch = { categories: [user_id], variations: 1, style, color_scheme, elements: new Map() };
    return requests.startBatch({ ...batch, metadata: null }, caller, answerBefore);
  };
  const balance = async () => {
    const [found] = await findBalances(system.connection, [user_id]);
    return found && { available: found.available, held: found.held };
  };
  return { start, startBatch, balance, user_id };
}

function reservations() {
  return icons.system.connection.collection<{ _id: string }>('icon_reservations');
}

/** All that is set aside for nothing yet was so long ago. */
async function age(): Promise<void> {
  await reservations().updateMany({}, { $set: { at: new Date(Date.now() - 600_000) } });
}

test('what was set aside comes back when its answer was lost', async () => {
  const { start, balance } = await payer(() => Promise.reject(new ServiceUnavailableError('lost', 1)));
  await expect(start()).rejects.toThrow(ServiceUnavailableError);
  await icons.sweep();
  // It may be on its way still.
  expect(await balance()).toEqual({ available: 98, held: 2 });
  await age();
  await icons.sweep();
  expect(await balance()).toEqual({ available: 100, held: 0 });
  expect(await reservations().countDocuments()).toBe(0);
  await expectCleanLedger(icons.system);
});

test('a start whose credits were given back meanwhile is refused, and makes nothing', async () => {
  const { start, balance, user_id } = await payer(async (reserved) => {
    await age();
    await icons.sweep();
    return reserved;
  });
  await expect(start()).rejects.toThrow(ServiceUnavailableError);
  expect(await balance()).toEqual({ available: 100, held: 0 });
  const images = icons.system.connection.collection('icon_images');
  expect(await images.countDocuments({ owner: user_id })).toBe(0);
  expect(await reservations().countDocuments()).toBe(0);
});

test('what was set aside for an icon stays until it is delivered', async () => {
  const { start, balance } = await payer(async (reserved) => reserved);
  const started = await start();
  if (started.kind !== 'started') throw new Error(started.kind);
  await age();
  await icons.sweep();
  expect(await icons.ended(started.image_id)).toMatchObject({ status: 'succeeded' });
  expect(await balance()).toEqual({ available: 98, held: 0 });
  await expectCleanLedger(icons.system);
});

test('an icon whose sender was told to come back is cancelled, and its credits come back', async () => {
  const { start, balance, user_id } = await payer(async (reserved) => reserved);
  await expect(start(performance.now())).rejects.toThrow(ServiceUnavailableError);
  const images = icons.system.connection.collection('icon_images');
  expect(await images.findOne({ owner: user_id })).toMatchObject({ status: 'cancelled', confirmed: false });
  expect(await balance()).toEqual({ available: 100, held: 0 });
});

test('a batch whose sender was told to come back is cancelled, and the sweep gives its credits back', async () => {
  const { startBatch, balance, user_id } = await payer(async (reserved) => reserved);
  await expect(startBatch(performance.now())).rejects.toThrow(ServiceUnavailableError);
  const batches = icons.system.connection.collection('icon_batches');
  expect(await batches.findOne({ owner: user_id })).toMatchObject({ status: 'cancelled', confirmed: false });
  const past = { $set: { progressed_at: new Date(Date.now() - 60_000) } };
  await batches.updateOne({ owner: user_id }, past);
  await icons.sweep();
  await waitFor('it is closed', async () =>
    (await batches.findOne({ owner: user_id }))?.settled ? true : undefined,
  );
  expect(await balance()).toEqual({ available: 100, held: 0 });
  await expectCleanLedger(icons.system);
});

test('nothing is left of a start that was refused', async () => {
  const { start } = await payer(async () => ({ kind: 'insufficient' }));
  expect(await start()).toEqual({ kind: 'insufficient-credits' });
  expect(await reservations().countDocuments()).toBe(0);
});
