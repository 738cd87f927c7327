import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startWebhookReceiver, type WebhookReceiver } from '../../sandbox/webhookReceiver.ts';
import { addToEventOutbox } from '../../src/models/eventOutbox.ts';
import { inTransaction } from '../../src/models/transaction.ts';
import { addTickJob } from '../../src/producers/addTickJob.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { startFanOut } from '../../src/producers/webhooks/startFanOut.ts';
import { webhooksQueue } from '../../src/queues/webhooks.ts';
import { CreditsApi } from '../support/creditsApi.ts';
import { served } from '../support/served.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { WebhooksApi } from '../support/webhooksApi.ts';

/** From an event to its receiver through processes of the product, some of which are killed. */
const SHARED_KEY = randomBytes(24).toString('base64url');
const KEYS = {
  ENCRYPTION_KEY: `k1:${randomBytes(32).toString('base64')}`,
  WEBHOOKS_ALLOW_PRIVATE: '1',
  PENORA_API_KEY: SHARED_KEY,
};
const QUEUES = ['webhooks', 'webhook-deliveries'];

let system: TestSystem;
let api: WebhooksApi;
let credits: CreditsApi;
let receivers: WebhookReceiver[];

beforeEach(async () => {
  system = await createTestSystem('webhook-flow');
  const web = await system.startWeb(KEYS);
  api = new WebhooksApi(web.url, system.adminKey);
  credits = new CreditsApi(web.url, SHARED_KEY);
  receivers = [];
});
afterEach(async () => {
  await system.remove();
  await Promise.all(receivers.map((receiver) => receiver.close()));
});

async function newReceiver() {
  const receiver = await startWebhookReceiver();
  receivers.push(receiver);
  const webhook = await api.register(receiver.url);
  receiver.trust(webhook.secret);
  return { receiver, webhook };
}

const idsAt = (receiver: WebhookReceiver) => receiver.received.map(({ headers }) => headers['webhook-id']);

test('credits that fall below the threshold are told once, to everybody who wants to know', async () => {
  await system.startWorker(KEYS, QUEUES);
  const { receiver, webhook } = await newReceiver();
  await credits.newUser('low-user', 20);
  const threshold = await served(() =>
    credits.ask('/api/unified/thresholds/low-user', {
      method: 'PUT',
      headers: { 'X-API-Key': SHARED_KEY, 'Content-Type': 'application/json' },
      body: '{"credits":10}',
    }),
  );
  expect(threshold.status, threshold.text).toBe(200);
  const deduct = async (amount: number) => {
    const body = { user_id: 'low-user', amount, app_name: 'penora' };
    const answer = await credits.postSurely('/deduct-credits', body);
    expect(answer.status, answer.text).toBe(200);
  };
  await deduct(5);
  await deduct(8);
  await deduct(1);
  const told = await waitFor('the receiver is told', async () => receiver.received[0]);
  expect(told.verifiedBy).toEqual([webhook.secret]);
  expect(JSON.parse(told.body)).toMatchObject({
    type: 'credits.low',
    data: { user_id: 'low-user', credits: 7, threshold: 10 },
  });
  const listed = await waitFor('the delivery is listed', async () => {
    const { body } = await api.get(`/${webhook.id}/deliveries`);
    return body.deliveries[0]?.state === 'delivered' ? body.deliveries : undefined;
  });
  expect(listed).toHaveLength(1);
  expect(receiver.received).toHaveLength(1);
});

test('workers that are killed again and again: one delivery for each event and receiver, each arrives', async () => {
  const targets = await Promise.all([newReceiver(), newReceiver(), newReceiver()]);
  for (const { receiver } of targets) {
    receiver.behave(() => ({ kind: 'answer-slowly', status: 200, milliseconds: 60 }));
  }
  const eventIds = await inTransaction(system.connection, (session) =>
    addToEventOutbox(
      system.connection,
      Array.from({ length: 60 }, (_, number) => ({
        type: 'credits.low' as const,
        at: Date.now() - 60_000,
        data: { user_id: `user-${number}`, credits: 1, threshold: 2 },
      })),
      session,
    ),
  );
  const queues = openQueues(system.redis, system.prefix);
  // Some are queued; of the others the enqueue was lost with the process that committed them.
  await startFanOut(queues.of(webhooksQueue), eventIds.slice(0, 30), []);
  const arrived = () => targets.reduce((sum, { receiver }) => sum + receiver.received.length, 0);
  for (const enough of [5, 25, 50]) {
    const worker = await system.startWorker(KEYS, QUEUES);
    await waitFor(`${enough} deliveries arrived`, async () => (arrived() >= enough ? true : undefined));
    worker.kill('SIGKILL');
    await worker.exited;
  }
  await Promise.all([system.startWorker(KEYS, QUEUES), system.startWorker(KEYS, QUEUES)]);
  const deliveries = system.connection.collection('webhook_deliveries');
  let minute = Date.UTC(2026, 0, 5);
  await waitFor(
    'every delivery is made',
    async () => {
      minute += 60_000;
      await addTickJob(
        system.redis,
        queues.of(webhooksQueue),
        webhooksQueue,
        'sweep-webhooks',
        new Date(minute),
      );
      return (await deliveries.countDocuments({ state: 'delivered' })) === 180 ? true : undefined;
    },
    240_000,
  );
  expect(await deliveries.countDocuments()).toBe(180);
  expect(await system.connection.collection('event_outbox').countDocuments({ state: 'waiting' })).toBe(0);
  for (const { receiver } of targets) {
    expect(new Set(idsAt(receiver))).toEqual(new Set(eventIds));
    expect(receiver.received.every(({ verifiedBy }) => verifiedBy.length === 1)).toBe(true);
    // At least once: what was in the air when a worker was killed comes again, and nothing else.
    expect(receiver.received.length).toBeLessThanOrEqual(60 + 3 * 8);
  }
  await queues.close();
});
