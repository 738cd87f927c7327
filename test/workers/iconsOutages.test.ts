import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { categoryTitle } from '../../src/domain/icons/categories.ts';
import { calls } from '../../src/models/iconGenerationDocuments.ts';
import { prefixOf } from '../../src/producers/queues.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { type MongoLink as Link, openMongoLink as openLink } from '../support/mongoLink.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;
let link: Link;
let stop: () => Promise<void>;

beforeAll(async () => {
  icons = await openIcons({ OPENAI_TIMEOUT_SECONDS: '15' });
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

/** Asks for an icon whose call takes a moment, and waits until the call is under way. */
async function askSlowly(category: string, milliseconds: number): Promise<string> {
  icons.openai.behave(({ prompt }) =>
    prompt.includes(categoryTitle(category)) ? { kind: 'make', milliseconds } : undefined,
  );
  const imageId = await icons.ask(category);
  await waitFor('the call', async () => (icons.paid(category) === 1 ? true : undefined));
  return imageId;
}

const outcomesOf = async (imageId: string) =>
  (await calls(icons.system.connection).find({ image_id: imageId }).toArray()).map((call) => call.outcome);

test('an icon that comes while MongoDB is away is kept, and not paid a second time', async () => {
  link = await openLink(String(icons.system.environment.MONGODB_URL));
  stop = icons.start({ MONGODB_URL: link.url });
  const imageId = await askSlowly('drought', 300);
  const before = icons.lines.length;
  link.cut();
  await line('written down once MongoDB answers', before);
  link.mend();
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await outcomesOf(imageId)).toEqual(['delivered']);
  expect(icons.paid('drought')).toBe(1);
});

test('an icon that comes while Redis is away is delivered, and not kept in memory', async () => {
  link = await openLink(icons.system.redisUrl);
  stop = icons.start({ REDIS_URL: `redis://127.0.0.1:${new URL(link.url).port}` });
  const imageId = await askSlowly('deluge', 300);
  link.cut();
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

test('a call goes on when the lock of its job is lost, and its icon is not paid a second time', {
  timeout: 40_000,
}, async () => {
  stop = icons.start();
  const imageId = await askSlowly('flood', 7_000);
  const lock = `${prefixOf(icons.system.prefix, iconsQueue)}:icons:${imageId}:lock`;
  expect(await icons.system.redis.del(lock)).toBe(1);
  await line('"outcome":"lock-lost"', 0);
  expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  expect(await outcomesOf(imageId)).toEqual(['delivered']);
  expect(icons.paid('flood')).toBe(1);
});
