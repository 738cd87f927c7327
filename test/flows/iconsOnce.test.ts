import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { findBatchImages } from '../../src/models/iconImages.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { settledBatch } from '../support/settledBatch.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const PRICE = 1;

const sharedKey = uniqueName('shared-key');
/** Of the batch that is cancelled: made before, and under way meanwhile. */
const MADE_BEFORE = 12;
const AT_A_TIME = 5;
const variables = {
  PENORA_API_KEY: sharedKey,
  ICONS_CREDITS_PER_ICON: String(PRICE),
  BATCH_SIZE_DEFAULT: String(AT_A_TIME),
};

let icons: IconsSystem;
let clients: readonly IconsApi[];
let user: string;

beforeAll(async () => {
  icons = await createIconsSystem('icons-once');
  const [one, other] = await Promise.all([
    icons.startWeb(variables),
    icons.startWeb(variables),
    icons.startWorker(variables),
    icons.startWorker(variables),
  ]);
  user = await new CreditsApi(one.url, sharedKey).newUser(uniqueName('payer'), 1_000);
  const { token } = await icons.newAccount({ credits_user_id: user });
  clients = [one, other].map(({ url }) => new IconsApi(url, token));
});
afterAll(() => icons?.remove());
beforeEach(() => icons.openai.behave(() => undefined));

test('50 who ask for the same icon at once, by two web processes, get one generation', async () => {
  const asked = Promise.withResolvers<void>();
  icons.openai.behave(() => ({ kind: 'make', until: asked.promise }));
  const before = await creditsOf(user);
  const asking = Promise.all(
    Array.from({ length: 50 }, (_, index) => at(clients, index % 2).generate({ category: 'Sunflower' })),
  );
  const images = icons.system.connection.collection('icon_images');
  const wanted = { confirmed: true, status: { $ne: 'cancelled' } };
  await waitFor('all have asked', async () => (await images.countDocuments(wanted)) === 50 || undefined);
  asked.resolve();
  const answers = await asking;
  expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
  const urls = new Set(answers.map((answer) => answer.body.image_url));
  expect([...urls]).toEqual([expect.stringMatching(/^\/api\/images\/sunflower\//)]);
  expect(icons.openai.received).toHaveLength(1);
  expect(icons.openai.paid).toHaveLength(1);
  expect(await creditsOf(user)).toBe(before - 50 * PRICE);
});

test('a batch that has the same category 10 times is one generation, too', async () => {
  const before = icons.openai.paid.length;
  const batchId = await clients[0]?.start({ categories: Array.from({ length: 10 }, () => 'tulip') });
  expect(await settled(batchId)).toMatchObject({ status: 'completed', successful: 10 });
  expect(icons.openai.paid.length - before).toBe(1);
});

test('after a cancellation no generation starts; what is under way is delivered, and nothing else is charged', async () => {
  const { openai, system } = icons;
  const balance = await creditsOf(user);
  const earlier = openai.paid.length;
  const cancelled = Promise.withResolvers<void>();
  openai.behave(() =>
    openai.paid.length - earlier < MADE_BEFORE ? undefined : { kind: 'make', until: cancelled.promise },
  );
  const callsBefore = await countCalls(system.connection);
  const batchId = await clients[0]?.start({
    categories: Array.from({ length: 40 }, (_, index) => `cancelled ${index}`),
  });
  const begun = MADE_BEFORE + AT_A_TIME;
  await waitFor('the middle', async () => (openai.paid.length - earlier === begun ? true : undefined));
  // The other process than the one that started it.
  const answer = await clients[1]?.cancel(String(batchId));
  expect(answer?.status).toBe(200);
  cancelled.resolve();

  const batch = await settled(batchId);
  const jobs = openQueues(system.redis, system.prefix);
  await waitFor('no job is left', async () => {
    const left = await jobs.of(iconsQueue).getJobCountByTypes('active', 'waiting', 'delayed');
    return left === 0 || undefined;
  });
  await jobs.close();
  expect(openai.paid.length - earlier, 'nothing began after the answer').toBe(begun);

  const images = await findBatchImages(system.connection, String(batchId));
  const made = images.filter((image: IconImage) => image.status === 'succeeded');
  expect(batch).toMatchObject({ status: 'cancelled', failed: 0, successful: made.length });
  expect(batch.cancelled).toBe(40 - made.length);
  expect(made).toHaveLength(begun);
  const calls = await countCalls(system.connection);
  expect(calls).toEqual({ ...callsBefore, delivered: callsBefore.delivered + made.length });
  expect(await creditsOf(user)).toBe(balance - PRICE * made.length);
  await expectCleanLedger(system);

  // What was under way when it was cancelled is in the cache.
  const last = made.at(-1);
  const again = await clients[1]?.generate({ category: last?.category });
  expect(again?.status).toBe(200);
  expect(openai.paid.length - earlier).toBe(made.length);
});

/** What was not charged; of starts that were told to come back some may still be set aside. */
async function creditsOf(userId: string): Promise<number> {
  const [balance] = await findBalances(icons.system.connection, [userId]);
  if (!balance) throw new Error('There is no such user');
  return balance.available + balance.held;
}

function at(all: readonly IconsApi[], index: number): IconsApi {
  const client = all[index];
  if (!client) throw new Error('There is no such client');
  return client;
}

function settled(batchId: string | undefined) {
  return settledBatch(icons.system.connection, String(batchId), 120_000);
}
