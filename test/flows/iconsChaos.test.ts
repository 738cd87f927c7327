import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenAiBehaviour, type OpenAiScript, troubleByRates } from '../../sandbox/openai/behaviour.ts';
import type { IconCall } from '../../src/domain/icons/call.ts';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { countCalls, listCalls } from '../../src/models/iconCalls.ts';
import { findBatchImages } from '../../src/models/iconImages.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import type { TestProcess } from '../support/processes.ts';
import { settledBatch } from '../support/settledBatch.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const CATEGORIES = 50;
const VARIATIONS = 2;
const PRICE = 2;
/** A worker is killed when so many generations were paid, and the later ones wait for that, so that it comes in their middle. */
const KILLED_AT = [20, 60] as const;
const LONGEST_MILLISECONDS = 280_000;
/** Every way in which an image may fail here. */
const REASONS = new RegExp(
  [
    '^Failed after 3 attempts: .+',
    '^Failed after [23] attempts: No answer within 3 s\\. It was the second call .+',
    '^Failed after [23] attempts: it is not known what became of two calls .+',
  ].join('|'),
);

const sharedKey = uniqueName('shared-key');
const variables = {
  PENORA_API_KEY: sharedKey,
  ICONS_CREDITS_PER_ICON: String(PRICE),
  BATCH_SIZE_DEFAULT: '5',
  OPENAI_TIMEOUT_SECONDS: '3',
};

let icons: IconsSystem;

beforeAll(async () => {
  icons = await createIconsSystem('icons-chaos');
});
afterAll(() => icons?.remove());

test('a batch ends whatever happens on the way, and nothing is paid that is not delivered or listed', async () => {
  const { openai, system } = icons;
  const { connection } = system;
  const kills = KILLED_AT.map((paid) => ({ paid, ...Promise.withResolvers<void>() }));
  openai.behave(trouble(() => kills.findLast(({ paid }) => openai.paid.length >= paid)?.promise));
  const [web, first] = await Promise.all([icons.startWeb(variables), icons.startWorker(variables)]);
  const credits = new CreditsApi(web.url, sharedKey);
  const user = await credits.newUser(uniqueName('payer'), 1_000);
  const before = await credits.credits(user);
  const client = await icons.newPerson(web.url, { credits_user_id: user });

  const batchId = await client.start({
    categories: Array.from({ length: CATEGORIES }, (_, index) => `chaos ${index}`),
    variations_per_category: VARIATIONS,
  });
  const killInTheMiddle = async (worker: TestProcess, kill: (typeof kills)[number] | undefined) => {
    const calls = (kill?.paid ?? 0) + 1;
    await waitFor('a call that waits', async () => openai.paid.length >= calls || undefined, 120_000);
    worker.kill('SIGKILL');
    await worker.exited;
    kill?.resolve();
  };
  await killInTheMiddle(first, kills[0]);
  const [second] = await Promise.all([icons.startWorker(variables), icons.startWorker(variables)]);
  await killInTheMiddle(second, kills[1]);
  await icons.startWorker(variables);

  const batch = await settledBatch(connection, batchId, LONGEST_MILLISECONDS);
  expect(batch).toMatchObject({ status: 'completed', total: CATEGORIES * VARIATIONS, cancelled: 0 });
  expect(batch.successful + batch.failed).toBe(batch.total);
  expect((await client.status(batchId)).body).toMatchObject({ status: 'completed', progress: 100 });

  const images = await findBatchImages(connection, batchId);
  const made = images.filter((image) => image.status === 'succeeded');
  expect(made).toHaveLength(batch.successful);
  for (const image of made) await expectStored(image);
  const failed = images.filter((image) => image.status !== 'succeeded');
  for (const image of failed) {
    expect(image).toMatchObject({ status: 'failed', error: expect.stringMatching(REASONS) });
  }

  const { pending, delivered, unknown } = await countCalls(connection);
  expect(pending).toBe(0);
  expect(delivered).toBe(batch.successful);
  expect(openai.paid.length).toBeGreaterThanOrEqual(delivered);
  expect(openai.paid.length).toBeLessThanOrEqual(delivered + unknown);
  const metrics = await fetch(`${web.url}/metrics`, { headers: { 'X-API-Key': system.adminKey } });
  expect(await metrics.text()).toContain(`millrace_icon_calls{outcome="unknown"} ${unknown}\n`);
  const calls = [
    ...(await listCalls(connection, 'delivered', 1_000)),
    ...(await listCalls(connection, 'unknown', 1_000)),
  ];
  expect(calls.some((call) => call.detail?.startsWith('the process ended'))).toBe(true);
  expect(new Set(images.map((image) => image.prompt)).size).toBe(images.length);
  for (const image of images) expectPaidAsListed(image, calls);

  expect(await credits.credits(user)).toBe(before - PRICE * batch.successful);
  await expectCleanLedger(system);
});

/** Every fifth call in trouble; the rest waits for the kill that is due. */
function trouble(dueKill: () => Promise<void> | undefined): OpenAiScript {
  const randomly = troubleByRates(4, { rateLimited: 0.07, failed: 0.07, hanging: 0.06 });
  return (generation, earlier): OpenAiBehaviour => {
    const until = dueKill();
    const behaviour = randomly(generation, earlier) ?? { kind: 'make', ...(until && { until }) };
    // One that names no time rests for seconds.
    return behaviour.kind === 'rate-limit' ? { ...behaviour, retryAfter: { milliseconds: 200 } } : behaviour;
  };
}

async function expectStored({ file }: IconImage): Promise<void> {
  const bytes = await readFile(join(icons.storagePath, file?.path ?? 'none'));
  expect(bytes.length).toBe(file?.size);
  const { data, info } = await sharp(bytes, { failOn: 'warning' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([1024, 1024]);
  expect(data.length).toBeGreaterThan(0);
}

/** Each generation that was paid for an icon is delivered, or in the list of unknown outcomes; and two are the most. */
function expectPaidAsListed(image: IconImage, calls: readonly IconCall[]): void {
  const own = calls.filter((call) => call.content_key === image.content_key);
  const delivered = own.filter((call) => call.outcome === 'delivered').length;
  const paid = icons.openai.paidFor(image.prompt);
  expect(delivered).toBe(image.status === 'succeeded' ? 1 : 0);
  expect(paid).toBeGreaterThanOrEqual(delivered);
  expect(paid).toBeLessThanOrEqual(own.length);
  expect(own.length).toBeLessThanOrEqual(2);
}
