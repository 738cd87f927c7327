import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { OpenAiBehaviour } from '../../sandbox/openai/behaviour.ts';
import { categoryTitle } from '../../src/domain/icons/categories.ts';
import type { ResumableQueue } from '../../src/producers/resumableQueue.ts';
import { iconsQueue } from '../../src/queues/icons.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';
import { pauseIcons } from '../../src/workers/icons/pauseIcons.ts';
import { openMongoLink } from '../support/mongoLink.ts';
import { waitFor } from '../support/waitFor.ts';
import { type IconsUnderTest, openIcons } from './iconsUnderTest.ts';

let icons: IconsUnderTest;
let queue: ResumableQueue;

beforeAll(async () => {
  icons = await openIcons();
  queue = icons.queues.of(iconsQueue);
  icons.start();
});
beforeEach(() => icons.openai.behave(() => undefined));
afterAll(() => icons?.remove());

const untilPaused = () => waitFor('the pause', async () => ((await queue.isPaused()) ? true : undefined));

/** Answers each first request for one of those categories so, and others as usual. */
function answerOnce(behaviours: Readonly<Record<string, OpenAiBehaviour>>): void {
  const left = new Map(Object.entries(behaviours));
  icons.openai.behave(({ prompt }) => {
    const category = [...left.keys()].find((one) => prompt.includes(categoryTitle(one)));
    if (category === undefined) return undefined;
    const behaviour = left.get(category);
    left.delete(category);
    return behaviour;
  });
}

const requestsFor = (category: string) =>
  icons.openai.received.filter(({ generation }) => generation?.prompt.includes(categoryTitle(category)))
    .length;

test('no icon is paid for while the quota is used up: the queue stops, and tells it', async () => {
  const outbox = icons.system.connection.collection('event_outbox');
  icons.openai.behave(() => ({ kind: 'no-quota' }));
  const asked = await Promise.all(['broke one', 'broke two', 'broke three'].map(icons.ask));
  await untilPaused();
  await waitFor('the event', async () => (await outbox.findOne({ type: 'icons.paused' })) ?? undefined);
  icons.openai.behave(() => undefined);
  await queue.resume();
  for (const imageId of asked) {
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
  }
});

test('a refusal that comes only after the queue was resumed does not stop it again; the next one does', async () => {
  const held = Promise.withResolvers<void>();
  answerOnce({
    'slow refusal': { kind: 'no-quota', until: held.promise },
    'quick refusal': { kind: 'no-quota' },
  });
  const slow = await icons.ask('slow refusal');
  await waitFor('its request', async () => requestsFor('slow refusal') === 1 || undefined);
  const quick = await icons.ask('quick refusal');
  await untilPaused();
  await queue.resume();
  held.resolve();
  for (const imageId of [slow, quick]) {
    expect(await icons.ended(imageId)).toMatchObject({ status: 'succeeded', attempts: 1 });
    expect(requestsFor(imageId === slow ? 'slow refusal' : 'quick refusal')).toBe(2);
  }
  expect(await queue.isPaused()).toBe(false);

  answerOnce({ 'fresh refusal': { kind: 'no-quota' } });
  const fresh = await icons.ask('fresh refusal');
  await untilPaused();
  await queue.resume();
  expect(await icons.ended(fresh)).toMatchObject({ status: 'succeeded' });
});

test('a refusal that tells its event while the queue is paused and resumed by others does not stop it anew', async () => {
  const run = { logger: pino({ enabled: false }), requestIds: [] };
  const { connection: outside, mongoUrl } = icons.system;
  const link = await openMongoLink(mongoUrl);
  const connection = connectMongo(link.url, 'worker', run.logger);
  try {
    await connection.asPromise();
    link.holdCommits();
    const obstacle = { reason: 'told late', begun_at: performance.now() };
    const refused = pauseIcons({ connection, queues: icons.queues }, obstacle, run);
    const events = outside.collection('event_outbox');
    await waitFor(
      'its event',
      async () => (await events.findOne({ 'data.reason': 'told late' })) ?? undefined,
    );
    await queue.pause();
    await queue.resume();
    link.release();
    await refused;
    expect(await queue.isPaused()).toBe(false);
  } finally {
    await connection.close();
    await link.close();
  }
});
