import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { categoryTitle } from '../../src/domain/icons/categories.ts';
import { calls } from '../../src/models/iconGenerationDocuments.ts';
import { prefixOf } from '../../src/producers/queues.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { type MongoLink as Link, openMongoLink as openLink } from '../support/mongoLink.ts';
import { waitFor } from '../support/waitFor.ts';
import { CALLER, type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;
let link: Link;
let stop: () => Promise<void>;

beforeAll(async () => {
  icons = await openIcons({ OPENAI_TIMEOUT_SECONDS: '60' });
});
beforeEach(() => icons.openai.behave(() => undefined));
afterEach(async () => {
  link?.mend();
  await stop?.();
  await link?.close();
});
afterAll(() => icons?.remove());

const line = (what: string, after: number) =>
  waitFor(`a line ${what}`, async () => icons.lines.slice(after).find((one) => one.includes(what)));

/** Asks for an icon, and waits until its call is under way. The answer comes when it is told to. */
async function askSlowly(category: string): Promise<{ imageId: string; answer: () => void }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  icons.openai.behave(({ prompt }) =>
    prompt.includes(categoryTitle(category)) ? { kind: 'make', until: promise } : undefined,
  );
  const imageId = await icons.ask(category);
  await waitFor('the call', async () => (icons.paid(category) === 1 ? true : undefined));
  return { imageId, answer: resolve };
}

/** So late that the batch is looked at once more: it is the time itself that matters. */
const SLOW_MILLISECONDS = 700;

const outcomesOf = async (imageId: string) =>
  (await calls(icons.system.connection).find({ image_id: imageId }).toArray()).map((call) => call.outcome);

test('an icon that comes while MongoDB is away is kept, and not paid a second time', async () => {
  link = await openLink(String(icons.system.environment.MONGODB_URL));
  stop = icons.start({ MONGODB_URL: link.url });
  const { imageId, answer } = await askSlowly('drought');
  const before = icons.lines.length;
  link.cut();
  answer();
  await line('written down once MongoDB answers', before);
  link.mend();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await outcomesOf(imageId)).toEqual(['delivered']);
  expect(icons.paid('drought')).toBe(1);
});

test('an icon that comes while Redis is away is delivered, and not kept in memory', async () => {
  link = await openLink(icons.system.redisUrl);
  stop = icons.start({ REDIS_URL: `redis://127.0.0.1:${new URL(link.url).port}` });
  const { imageId, answer } = await askSlowly('deluge');
  link.cut();
  answer();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await outcomesOf(imageId)).toEqual(['delivered']);
});

test('a refusal that comes while Redis is away is written down', async () => {
  link = await openLink(icons.system.redisUrl);
  stop = icons.start({ REDIS_URL: `redis://127.0.0.1:${new URL(link.url).port}` });
  icons.openai.behave(() => {
    link.cut();
    return { kind: 'fail', status: 500 };
  });
  const imageId = await icons.ask('thunder');
  await waitFor('the outcome', async () => ((await outcomesOf(imageId))[0] === 'refused' ? true : undefined));
});

test('an icon of a model that a worker does not have waits for a worker that has it', async () => {
  stop = icons.start({ OPENAI_MODEL: 'gpt-image-1-mini' });
  const before = icons.lines.length;
  const imageId = await icons.ask('desert');
  await line('of a model that this worker does not have', before);
  expect(icons.paid('desert')).toBe(0);
  await stop();
  stop = icons.start();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
});

test('a call whose beginning took long does not begin after a cancellation', async () => {
  link = await openLink(String(icons.system.environment.MONGODB_URL));
  stop = icons.start({ MONGODB_URL: link.url });
  await icons.ended(await icons.ask('warm up'));
  // The first one takes the lease, the second one lets the call begin.
  link.holdCommits(1);
  const batchId = await icons.askBatch(['monsoon']);
  const imageId = `${batchId}-0`;
  await waitFor('the intent', async () => ((await outcomesOf(imageId)).length === 1 ? true : undefined));
  expect(await icons.requests.cancel(batchId, CALLER)).toBe(true);
  await setTimeout(SLOW_MILLISECONDS);
  link.release();
  expect(await icons.settled(batchId)).toMatchObject({ status: 'cancelled', cancelled: 1 });
  expect(await outcomesOf(imageId)).toEqual(['refused']);
  expect(icons.paid('monsoon')).toBe(0);
});

test('a call goes on when the lock of its job is lost, and its icon is not paid a second time', async () => {
  stop = icons.start();
  const { imageId, answer } = await askSlowly('flood');
  const lock = `${prefixOf(icons.system.prefix, iconsQueue)}:icons:${imageId}:lock`;
  expect(await icons.system.redis.del(lock)).toBe(1);
  await line('"outcome":"lock-lost"', 0);
  const queue = icons.queues.of(iconsQueue);
  await waitFor('the second run has looked', async () => {
    const job = await queue.getJob(imageId);
    return job && job.attemptsStarted >= 2 && (await job.getState()) === 'delayed' ? true : undefined;
  });
  answer();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await outcomesOf(imageId)).toEqual(['delivered']);
  expect(icons.paid('flood')).toBe(1);
});
