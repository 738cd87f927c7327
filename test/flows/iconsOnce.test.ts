import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { countCalls } from '../../src/models/iconCalls.ts';
import { findBatchImages } from '../../src/models/iconImages.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { settledBatch } from '../support/settledBatch.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** After the answer to a cancellation nothing begins that was not on its way to the provider. */
const LAST_START_MILLISECONDS = 1_000;
const PRICE = 1;

const sharedKey = uniqueName('shared-key');
const variables = { PENORA_API_KEY: sharedKey, ICONS_CREDITS_PER_ICON: String(PRICE) };

let icons: IconsSystem;
let clients: readonly IconsApi[];
let credits: CreditsApi;
let user: string;

beforeAll(async () => {
  icons = await createIconsSystem('icons-once');
  const [one, other] = await Promise.all([
    icons.startWeb(variables),
    icons.startWeb(variables),
    icons.startWorker(variables),
    icons.startWorker(variables),
  ]);
  credits = new CreditsApi(one.url, sharedKey);
  user = await credits.newUser(uniqueName('payer'), 1_000);
  const { token } = await icons.newAccount({ credits_user_id: user });
  clients = [one, other].map(({ url }) => new IconsApi(url, token));
});
afterAll(() => icons?.remove());
beforeEach(() => icons.openai.behave(() => undefined));

test('50 who ask for the same icon at once, by two web processes, get one generation', async () => {
  icons.openai.behave(() => ({ kind: 'make', milliseconds: 300 }));
  const before = await credits.credits(user);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => clients[index % 2]?.generate({ category: 'Sunflower' })),
  );
  expect(answers.map((answer) => answer?.status)).toEqual(answers.map(() => 200));
  const urls = new Set(answers.map((answer) => answer?.body.image_url));
  expect([...urls]).toEqual([expect.stringMatching(/^\/api\/images\/sunflower\//)]);
  expect(icons.openai.received).toHaveLength(1);
  expect(icons.openai.paid).toHaveLength(1);
  expect(await credits.credits(user)).toBe(before - 50 * PRICE);
});

test('a batch that has the same category 10 times is one generation, too', async () => {
  icons.openai.behave(() => ({ kind: 'make', milliseconds: 100 }));
  const before = icons.openai.paid.length;
  const batchId = await clients[0]?.start({ categories: Array.from({ length: 10 }, () => 'tulip') });
  expect(await settled(batchId)).toMatchObject({ status: 'completed', successful: 10 });
  expect(icons.openai.paid.length - before).toBe(1);
});

test('after a cancellation no generation starts; what is under way is delivered, and nothing else is charged', async () => {
  icons.openai.behave(() => ({ kind: 'make', milliseconds: 400 }));
  const { openai, system } = icons;
  const balance = await credits.credits(user);
  const earlier = openai.paid.length;
  const callsBefore = await countCalls(system.connection);
  const batchId = await clients[0]?.start({
    categories: Array.from({ length: 40 }, (_, index) => `cancelled ${index}`),
  });
  await waitFor('the middle', async () => (openai.paid.length - earlier >= 12 ? true : undefined));
  // The other process than the one that started it.
  const answer = await clients[1]?.cancel(String(batchId));
  const answeredAt = performance.now();
  expect(answer?.status).toBe(200);

  const batch = await settled(batchId);
  const jobs = openQueues(system.redis, system.prefix);
  const left = await jobs.of(iconsQueue).getJobCountByTypes('active', 'waiting', 'delayed');
  await jobs.close();
  expect(left).toBe(0);
  const started = openai.received.filter(({ generation }) => generation?.prompt.includes('Cancelled'));
  expect(Math.max(...started.map(({ at }) => at))).toBeLessThan(answeredAt + LAST_START_MILLISECONDS);

  const images = await findBatchImages(system.connection, String(batchId));
  const made = images.filter((image: IconImage) => image.status === 'succeeded');
  expect(batch).toMatchObject({ status: 'cancelled', failed: 0, successful: made.length });
  expect(batch.cancelled).toBe(40 - made.length);
  expect(made.length).toBe(openai.paid.length - earlier);
  expect(made.length).toBeLessThan(40);
  const calls = await countCalls(system.connection);
  expect(calls).toEqual({ ...callsBefore, delivered: callsBefore.delivered + made.length });
  expect(await credits.credits(user)).toBe(balance - PRICE * made.length);
  await expectCleanLedger(system);

  // What was under way when it was cancelled is in the cache.
  const last = made.at(-1);
  const again = await clients[1]?.generate({ category: last?.category });
  expect(again?.status).toBe(200);
  expect(openai.paid.length - earlier).toBe(made.length);
});

function settled(batchId: string | undefined) {
  return settledBatch(icons.system.connection, String(batchId), 30_000);
}
