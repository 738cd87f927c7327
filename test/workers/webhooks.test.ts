import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startWebhookReceiver } from '../../sandbox/webhookReceiver.ts';
import {
  FAILING_LIMIT_MILLISECONDS,
  MOST_PREVIOUS_SECRETS,
  secretOwner,
} from '../../src/domain/webhooks/endpoint.ts';
import { newSecret } from '../../src/domain/webhooks/signature.ts';
import { claimDelivery, redeliver } from '../../src/models/webhookDeliveries.ts';
import {
  changeEndpoint,
  disableEndpoint,
  enableEndpoint,
  findEndpoint,
  removeEndpoint,
  rotateSecret,
  TooManyPreviousSecretsError,
} from '../../src/models/webhookEndpoints.ts';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { startRedelivery } from '../../src/producers/webhooks/startDeliveries.ts';
import { webhookDeliveriesQueue, webhooksQueue } from '../../src/queues/webhooks.ts';
import { SecretBox } from '../../src/runtime/secretBox.ts';
import { waitFor } from '../support/waitFor.ts';
import { openWebhooks, type TestEndpoint, type WebhooksUnderTest } from './webhooksUnderTest.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

let webhooks: WebhooksUnderTest;
beforeEach(async () => {
  webhooks = await openWebhooks();
});
afterEach(() => webhooks.remove());

const received = () => webhooks.receiver.received;
const collection = (name: string) => webhooks.system.connection.collection(name);
const endpointOf = async ({ id }: TestEndpoint) => {
  const endpoint = await findEndpoint(webhooks.system.connection, id);
  if (!endpoint) throw new Error('The endpoint is gone');
  return endpoint;
};

describe('an event', () => {
  test('goes once to each endpoint that wants it, signed for it', async () => {
    const wanting = await webhooks.addEndpoint();
    const wantingAll = await webhooks.addEndpoint({ events: ['*'] });
    const disabled = await webhooks.addEndpoint();
    await disableEndpoint(webhooks.system.connection, disabled.id, 'by hand');
    webhooks.start();
    const before = Date.now();
    const eventId = await webhooks.happen('user-7');
    const delivered = [wanting, wantingAll].map((one) => webhooks.inState(eventId, one, 'delivered'));
    const [first] = await Promise.all(delivered);

    expect(await webhooks.delivery(eventId, disabled)).toBe(undefined);
    expect(received()).toHaveLength(2);
    expect(
      received()
        .map(({ verifiedBy }) => verifiedBy)
        .toSorted(),
    ).toEqual([[wanting.secret], [wantingAll.secret]].toSorted());
    for (const { headers, body, at } of received()) {
      expect(headers['webhook-id']).toBe(eventId);
      const sentAt = Number(headers['webhook-timestamp']);
      expect(sentAt).toBeGreaterThanOrEqual(Math.floor(before / 1_000));
      expect(sentAt).toBeLessThanOrEqual(at / 1_000);
      expect(JSON.parse(body)).toEqual({
        type: 'credits.low',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        data: { user_id: 'user-7', credits: 3, threshold: 10 },
      });
    }
    expect(first?.attempts).toEqual([
      {
        at: expect.any(Number),
        duration_ms: expect.any(Number),
        status_code: 204,
        error: undefined,
        response: '',
      },
    ]);
    expect(await collection('event_outbox').findOne({})).toMatchObject({
      _id: eventId,
      state: 'fanned-out',
      expires_at: expect.any(Date),
    });
  });

  test('that nobody wants is settled', async () => {
    webhooks.start();
    await webhooks.happen();
    await waitFor('it is settled', async () =>
      (await collection('event_outbox').countDocuments({ state: 'fanned-out' })) === 1 ? true : undefined,
    );
    expect(await collection('webhook_deliveries').countDocuments()).toBe(0);
  });

  test('has one delivery for each endpoint, however many jobs and workers there are for it', async () => {
    const endpoints = [await webhooks.addEndpoint(), await webhooks.addEndpoint()];
    const eventId = await webhooks.commit();
    const data = { payload: { event_id: eventId }, request_ids: [] };
    // Past the producer, which would add one only.
    const job = { name: 'fan-out-event', data, opts: jobOptions(webhooksQueue, 'fan-out-event') };
    await webhooks.eventsQueue.addBulk(Array.from({ length: 40 }, () => job));
    webhooks.start();
    webhooks.start();
    for (const endpoint of endpoints) await webhooks.inState(eventId, endpoint, 'delivered');
    await waitFor('all jobs are done', async () =>
      (await webhooks.eventsQueue.getCompletedCount()) === 40 ? true : undefined,
    );
    expect(await collection('webhook_deliveries').countDocuments()).toBe(2);
    expect(received()).toHaveLength(2);
  });

  test('puts ids into its jobs, and nothing of it into the log', async () => {
    const endpoint = await webhooks.addEndpoint({ url: `${webhooks.receiver.url}?token=in-the-address` });
    webhooks.receiver.behave(() => ({ kind: 'answer', status: 500, body: 'answered-by-the-receiver' }));
    const stop = webhooks.start({ queues: [webhooksQueue] });
    const eventId = await webhooks.happen('in-the-body');
    const [job] = await waitFor('the delivery’s job', async () => {
      const waiting = await webhooks.deliveriesQueue.getWaiting();
      return waiting.length > 0 ? waiting : undefined;
    });
    const id = (await webhooks.delivery(eventId, endpoint))?.id;
    expect(job?.data).toEqual({ payload: { delivery_id: id }, request_ids: [] });
    await stop();
    webhooks.start({ retryDelays: [] });
    await webhooks.inState(eventId, endpoint, 'failed');
    const [dead] = await waitFor('the dead letter', async () => {
      const failed = await webhooks.deliveriesQueue.getFailed();
      return failed.length > 0 ? failed : undefined;
    });
    const told = [...webhooks.lines, JSON.stringify(dead)].join('\n');
    expect(webhooks.lines.join('\n')).toContain('webhook attempt');
    for (const secret of [
      endpoint.secret,
      endpoint.secret.slice(6),
      'in-the-address',
      'in-the-body',
      'answered-by',
      'v1,',
    ]) {
      expect(told).not.toContain(secret);
    }
  });
});

describe('attempts', () => {
  test('go on past failures of every kind under one id, each recorded, until one is taken', async () => {
    const elsewhere = await startWebhookReceiver();
    const endpoint = await webhooks.addEndpoint();
    const script = [
      { kind: 'answer', status: 500, body: 'no database; password=hunter2' },
      { kind: 'drop' },
      { kind: 'answer', status: 302, headers: { location: elsewhere.url } },
      { kind: 'hang' },
      { kind: 'gibberish' },
      { kind: 'flood', status: 503 },
      { kind: 'hang-in-body', status: 201 },
    ] as const;
    webhooks.receiver.behave((_, earlier) => script[earlier]);
    webhooks.start({ retryDelays: [10, 10, 10, 10, 10, 10, 10], answerMilliseconds: 400 });
    const eventId = await webhooks.happen();
    const delivery = await webhooks.inState(eventId, endpoint, 'delivered');
    expect(
      delivery.attempts.map(({ status_code, error, response }) => [status_code ?? error, response]),
    ).toEqual([
      [500, 'no database; password=[redacted]'],
      ['no answer: ECONNRESET', undefined],
      [302, ''],
      ['no answer within 0.4 s', undefined],
      [expect.stringMatching(/^no answer: HPE_/), undefined],
      [503, expect.stringMatching(/^\[redacted\]$/)],
      [201, 'a beginning'],
    ]);
    expect(delivery.attempts[3]?.duration_ms).toBeGreaterThanOrEqual(390);
    expect(new Set(received().map(({ headers }) => headers['webhook-id']))).toEqual(new Set([eventId]));
    expect(new Set(received().map(({ body }) => body)).size).toBe(1);
    expect(received().every(({ verifiedBy }) => verifiedBy.length === 1)).toBe(true);
    expect(elsewhere.connections).toBe(0);
    await elsewhere.close();
  });

  test('wait as long as the receiver asks for', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave(() => ({ kind: 'answer', status: 429, headers: { 'retry-after': '3600' } }));
    webhooks.start({ retryDelays: [10] });
    const eventId = await webhooks.happen();
    const delivery = await waitFor('the first attempt', async () => {
      const found = await webhooks.delivery(eventId, endpoint);
      return found?.attempts.length === 1 ? found : undefined;
    });
    expect(delivery).toMatchObject({ state: 'waiting', attempts_made: 1 });
    expect(delivery.due_at - Date.now()).toBeGreaterThan(HOUR - MINUTE);
  });

  test('end with a dead letter, whose retry begins anew', async () => {
    const endpoint = await webhooks.addEndpoint();
    let status = 500;
    webhooks.receiver.behave(() => ({ kind: 'answer', status }));
    webhooks.start({ retryDelays: [10, 10] });
    const eventId = await webhooks.happen();
    const failed = await webhooks.inState(eventId, endpoint, 'failed');
    expect(failed.attempts).toHaveLength(3);
    expect(failed.reason).toBe('Not taken in 3 attempts; the last answer: 500');
    const dead = await waitFor(
      'the dead letter',
      async () => (await webhooks.deliveriesQueue.getFailed())[0],
    );
    expect(dead.failedReason).toBe(failed.reason);

    status = 200;
    await dead.retry();
    const delivered = await webhooks.inState(eventId, endpoint, 'delivered');
    expect(delivered.attempts.map(({ status_code }) => status_code)).toEqual([500, 500, 500, 200]);
    expect(delivered).toMatchObject({ attempts_made: 1, reason: undefined });
  });

  test('that were killed after the last one end as dead letters without another attempt', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave(() => ({ kind: 'answer', status: 500 }));
    const stop = webhooks.start({ retryDelays: [] });
    const eventId = await webhooks.happen();
    const failed = await webhooks.inState(eventId, endpoint, 'failed');
    await waitFor('the dead letter', async () => (await webhooks.deliveriesQueue.getFailed())[0]);
    await stop();
    // The job as it was before its end was told to Redis.
    await webhooks.deliveriesQueue.obliterate({ force: true });
    await startRedelivery(webhooks.deliveriesQueue, failed.id, []);
    webhooks.start();
    const dead = await waitFor(
      'the dead letter',
      async () => (await webhooks.deliveriesQueue.getFailed())[0],
    );
    expect(dead.failedReason).toBe(failed.reason);
    expect(received()).toHaveLength(1);
  });

  test('are made with both secrets for a day after a rotation', async () => {
    const endpoint = await webhooks.addEndpoint();
    const { secret: before } = await endpointOf(endpoint);
    const secret = newSecret();
    webhooks.receiver.trust(secret);
    const sealed = webhooks.box.seal(secret, secretOwner(endpoint.id));
    const rotated = await rotateSecret(webhooks.system.connection, endpoint.id, before, sealed);
    expect((rotated?.previous_secrets[0]?.until ?? 0) - Date.now()).toBeGreaterThan(24 * HOUR - MINUTE);
    expect(await rotateSecret(webhooks.system.connection, endpoint.id, before, sealed)).toBe(undefined);
    webhooks.start();
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    expect(received()[0]?.verifiedBy).toEqual([endpoint.secret, secret]);
    expect(received()[0]?.headers['webhook-signature']?.split(' ')).toHaveLength(2);

    const past = { $set: { previous_secret_until: new Date(Date.now() - 1) } };
    await collection('webhook_endpoints').updateOne({}, past);
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    expect(received()[1]?.verifiedBy).toEqual([secret]);
  });

  test('are made with every secret whose day is not over when it is rotated again, up to a number', async () => {
    const { connection } = webhooks.system;
    const endpoint = await webhooks.addEndpoint();
    const secrets = [endpoint.secret];
    const rotate = async () => {
      const secret = newSecret();
      const sealed = webhooks.box.seal(secret, secretOwner(endpoint.id));
      await rotateSecret(connection, endpoint.id, (await endpointOf(endpoint)).secret, sealed);
      secrets.push(secret);
      webhooks.receiver.trust(secret);
    };
    for (let times = 0; times < MOST_PREVIOUS_SECRETS; times++) await rotate();
    await expect(rotate()).rejects.toBeInstanceOf(TooManyPreviousSecretsError);
    webhooks.start();
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    expect(received()[0]?.verifiedBy).toEqual(secrets);
    expect(received()[0]?.headers['webhook-signature']?.split(' ')).toHaveLength(secrets.length);

    // The days of the first two are over.
    const past = new Date(Date.now() - 1);
    const { length } = secrets;
    await collection('webhook_endpoints').updateOne(
      {},
      {
        $set: {
          [`earlier_secrets.${length - 3}.until`]: past,
          [`earlier_secrets.${length - 4}.until`]: past,
        },
      },
    );
    await rotate();
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    expect(received()[1]?.verifiedBy).toEqual(secrets.slice(2));
  });

  test('at a name that leads inside are refused at the connection', async () => {
    const { port } = webhooks.receiver;
    const endpoint = await webhooks.addEndpoint({ url: `http://rebinding.test:${port}/` });
    const literal = await webhooks.addEndpoint({ url: `http://127.0.0.1:${port}/` });
    webhooks.start({ retryDelays: [], resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
    const eventId = await webhooks.happen();
    for (const refused of [endpoint, literal]) {
      const { attempts } = await webhooks.inState(eventId, refused, 'failed');
      expect(attempts).toMatchObject([{ status_code: undefined, error: 'no answer: HOST_NOT_ALLOWED' }]);
    }
    expect(webhooks.receiver.connections).toBe(0);
  });
});

describe('an endpoint', () => {
  test('that is gone (410) is disabled, and gets nothing more', async () => {
    const endpoint = await webhooks.addEndpoint();
    const other = await webhooks.addEndpoint();
    webhooks.receiver.behave(({ verifiedBy }) =>
      verifiedBy.includes(endpoint.secret) ? { kind: 'answer', status: 410 } : undefined,
    );
    webhooks.start();
    const eventId = await webhooks.happen();
    await webhooks.inState(eventId, other, 'delivered');
    const failed = await webhooks.inState(eventId, endpoint, 'failed');
    expect(failed.reason).toBe('The receiver answered 410 Gone');
    expect(failed.attempts).toHaveLength(1);
    await waitFor('it is disabled', async () =>
      (await endpointOf(endpoint)).status === 'disabled' ? true : undefined,
    );
    expect((await endpointOf(endpoint)).disabled_reason).toBe('The receiver answered 410 Gone');
    const next = await webhooks.happen();
    await webhooks.inState(next, other, 'delivered');
    expect(await webhooks.delivery(next, endpoint)).toBe(undefined);
  });

  test('that took nothing for days is disabled; one success before that forgets it all', async () => {
    const endpoint = await webhooks.addEndpoint();
    let status = 500;
    webhooks.receiver.behave(() => ({ kind: 'answer', status }));
    webhooks.start({ retryDelays: [] });
    await webhooks.inState(await webhooks.happen(), endpoint, 'failed');
    await waitFor('the failure is noted', async () => (await endpointOf(endpoint)).failing_since);
    status = 200;
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    await waitFor('it is forgotten', async () =>
      (await endpointOf(endpoint)).failing_since === undefined ? true : undefined,
    );

    const since = (age: number) =>
      collection('webhook_endpoints').updateOne({}, { $set: { failing_since: new Date(Date.now() - age) } });
    status = 500;
    await since(FAILING_LIMIT_MILLISECONDS - HOUR);
    await webhooks.inState(await webhooks.happen(), endpoint, 'failed');
    expect((await endpointOf(endpoint)).status).toBe('enabled');
    await since(FAILING_LIMIT_MILLISECONDS + HOUR);
    await webhooks.happen();
    await waitFor('it is disabled', async () =>
      (await endpointOf(endpoint)).status === 'disabled' ? true : undefined,
    );
    expect((await endpointOf(endpoint)).disabled_reason).toBe('The receiver took nothing for 3 days');
  });

  test.each([
    ['takes something', 'taken'],
    ['is enabled by hand', 'by hand'],
  ])('that %s while a failing attempt is under way stays enabled', async (_, how) => {
    const { connection } = webhooks.system;
    const endpoint = await webhooks.addEndpoint();
    const since = new Date(Date.now() - FAILING_LIMIT_MILLISECONDS - HOUR);
    await collection('webhook_endpoints').updateOne({}, { $set: { failing_since: since } });
    const mended = Promise.withResolvers<void>();
    webhooks.receiver.behave((_webhook, earlier) =>
      earlier === 0 ? { kind: 'answer-later', status: 500, when: mended.promise } : undefined,
    );
    webhooks.start({ retryDelays: [], answerMilliseconds: 20_000 });
    const failing = await webhooks.happen();
    await waitFor('the attempt', async () => received()[0]);
    if (how === 'by hand') {
      await disableEndpoint(connection, endpoint.id, how);
      await enableEndpoint(connection, endpoint.id);
    } else {
      await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
      await waitFor('the success is noted', async () =>
        (await endpointOf(endpoint)).failing_since === undefined ? true : undefined,
      );
    }
    mended.resolve();
    await waitFor('the dead letter', async () => (await webhooks.deliveriesQueue.getFailed())[0]);
    expect(await webhooks.delivery(failing, endpoint)).toMatchObject({ state: 'failed' });
    expect(await endpointOf(endpoint)).toMatchObject({ status: 'enabled', disabled_reason: undefined });
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
  });

  test('that is moved to another address begins anew there, and not by being told its own', async () => {
    const { connection } = webhooks.system;
    const endpoint = await webhooks.addEndpoint();
    const { url } = await endpointOf(endpoint);
    const since = new Date(Date.now() - FAILING_LIMIT_MILLISECONDS - HOUR);
    await collection('webhook_endpoints').updateOne({}, { $set: { failing_since: since } });
    expect(await changeEndpoint(connection, endpoint.id, { url })).toMatchObject({
      failing_since: since.getTime(),
    });
    const changed = await changeEndpoint(connection, endpoint.id, { url: `${url}/moved` });
    expect(changed).toMatchObject({ url: `${url}/moved`, failing_since: undefined });
    webhooks.receiver.behave(() => ({ kind: 'answer', status: 500 }));
    webhooks.start({ retryDelays: [] });
    const eventId = await webhooks.happen();
    await webhooks.inState(eventId, endpoint, 'failed');
    await waitFor('the dead letter', async () => (await webhooks.deliveriesQueue.getFailed())[0]);
    expect((await endpointOf(endpoint)).status).toBe('enabled');
    expect(await changeEndpoint(connection, 'nobody', { url })).toBe(undefined);
  });

  test.each([410, 500, 204])(
    'that is moved while an attempt is under way does not answer for the old address (%i)',
    async (status) => {
      const { connection } = webhooks.system;
      const endpoint = await webhooks.addEndpoint();
      const { url } = await endpointOf(endpoint);
      const moved = Promise.withResolvers<void>();
      webhooks.receiver.behave(() => ({ kind: 'answer-later', status, when: moved.promise }));
      webhooks.start({ retryDelays: [], answerMilliseconds: 20_000 });
      await webhooks.happen();
      await waitFor('the attempt', async () => received()[0]);
      await changeEndpoint(connection, endpoint.id, { url: `${url}/moved` });
      const since = new Date(Date.now() - HOUR);
      if (status === 204)
        await collection('webhook_endpoints').updateOne({}, { $set: { failing_since: since } });
      moved.resolve();
      await waitFor('the end of the job', async () => {
        const counts = await webhooks.deliveriesQueue.getJobCounts('active', 'waiting', 'delayed');
        return Object.values(counts).every((count) => count === 0) ? true : undefined;
      });
      expect(await endpointOf(endpoint)).toMatchObject({
        status: 'enabled',
        failing_since: status === 204 ? since.getTime() : undefined,
      });
    },
  );

  test.each([
    ['disabled', 'The endpoint is disabled'],
    ['deleted', 'The endpoint was deleted'],
  ])('that is %s has its deliveries cancelled', async (how, reason) => {
    const endpoint = await webhooks.addEndpoint();
    const stop = webhooks.start({ queues: [webhooksQueue] });
    const eventId = await webhooks.happen();
    await webhooks.inState(eventId, endpoint, 'waiting');
    await stop();
    const { connection } = webhooks.system;
    if (how === 'deleted') await removeEndpoint(connection, endpoint.id);
    else await disableEndpoint(connection, endpoint.id, 'by hand');
    webhooks.start();
    expect((await webhooks.inState(eventId, endpoint, 'cancelled')).reason).toBe(reason);
    expect(received()).toHaveLength(0);
    expect(await webhooks.deliveriesQueue.getFailedCount()).toBe(0);
  });

  test('that hangs with very much to get holds nobody up', async () => {
    const hanging = await webhooks.addEndpoint();
    webhooks.receiver.behave(({ verifiedBy }) =>
      verifiedBy.includes(hanging.secret) ? { kind: 'hang' } : undefined,
    );
    for (let number = 0; number < 150; number++) await webhooks.commit(`user-${number}`, Date.now() - MINUTE);
    // Longer than this test waits: without lanes the hanging endpoint would have taken all 64 places of the process.
    webhooks.start({ answerMilliseconds: 60_000 });
    await webhooks.sweep();
    await waitFor('its lane is full', async () => (received().length >= 8 ? true : undefined));
    const other = await webhooks.addEndpoint();
    await webhooks.inState(await webhooks.happen(), other, 'delivered');
    const hung = received().filter(({ verifiedBy }) => verifiedBy.includes(hanging.secret));
    expect(hung).toHaveLength(8);
  });
});

describe('the sweep', () => {
  test('starts events and deliveries that were committed and never queued, nothing twice', async () => {
    const endpoint = await webhooks.addEndpoint();
    const lost = await webhooks.commit('lost', Date.now() - MINUTE);
    const young = await webhooks.commit('young');
    webhooks.start();
    await webhooks.sweep();
    await webhooks.inState(lost, endpoint, 'delivered');
    expect(await webhooks.delivery(young, endpoint)).toBe(undefined);
    for (let again = 0; again < 3; again++) await webhooks.sweep();
    expect(received().map(({ headers }) => headers['webhook-id'])).toEqual([lost]);
  });

  test('brings deliveries back whose jobs are lost with Redis, when they are due', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave((_, earlier) => (earlier < 2 ? { kind: 'answer', status: 500 } : undefined));
    const stop = webhooks.start({ retryDelays: [HOUR] });
    const [due, later] = [await webhooks.happen(), await webhooks.happen()];
    for (const eventId of [due, later]) {
      await waitFor('its first attempt', async () =>
        (await webhooks.delivery(eventId, endpoint))?.attempts.length === 1 ? true : undefined,
      );
    }
    await stop();
    await webhooks.deliveriesQueue.obliterate({ force: true });
    const past = { $set: { due_at: new Date(Date.now() - MINUTE) } };
    await collection('webhook_deliveries').updateOne({ event_id: due }, past);
    webhooks.start({ retryDelays: [HOUR] });
    await webhooks.sweep();
    await webhooks.inState(due, endpoint, 'delivered');
    await webhooks.sweep();
    expect(await webhooks.delivery(later, endpoint)).toMatchObject({ state: 'waiting', attempts_made: 1 });
    expect(received()).toHaveLength(3);
  });

  test('leaves a delivery alone whose job pauses', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave(() => ({ kind: 'answer', status: 500 }));
    webhooks.start({ retryDelays: [HOUR, HOUR] });
    const eventId = await webhooks.happen();
    await waitFor('its job pauses', async () =>
      (await webhooks.deliveriesQueue.getDelayedCount()) === 1 ? true : undefined,
    );
    const past = { $set: { due_at: new Date(Date.now() - MINUTE) } };
    await collection('webhook_deliveries').updateOne({ event_id: eventId }, past);
    await webhooks.sweep();
    expect(await webhooks.deliveriesQueue.getJobCounts('wait', 'active', 'delayed')).toEqual({
      wait: 0,
      active: 0,
      delayed: 1,
    });
    expect(await webhooks.delivery(eventId, endpoint)).toMatchObject({ attempts_made: 1 });
  });

  test('takes up what a run left behind that was killed between its steps', async () => {
    const endpoints = [
      await webhooks.addEndpoint(),
      await webhooks.addEndpoint(),
      await webhooks.addEndpoint(),
    ];
    const stop = webhooks.start({ queues: [webhooksQueue] });
    const eventId = await webhooks.happen();
    for (const endpoint of endpoints) await webhooks.inState(eventId, endpoint, 'waiting');
    await stop();
    // As after a kill: one delivery made and never queued, one in the middle of its attempt, one not made, event not settled.
    const [first, second, third] = endpoints;
    if (!first || !second || !third) throw new Error('three endpoints');
    await webhooks.deliveriesQueue.obliterate({ force: true });
    const { connection } = webhooks.system;
    await claimDelivery(connection, (await webhooks.delivery(eventId, second))?.id ?? '');
    const deliveries = collection('webhook_deliveries');
    await deliveries.updateMany({}, { $set: { due_at: new Date(Date.now() - MINUTE) } });
    await deliveries.deleteOne({ endpoint_id: third.id });
    await collection('event_outbox').updateOne(
      {},
      { $set: { state: 'waiting', at: new Date(Date.now() - MINUTE) } },
    );

    webhooks.start();
    webhooks.start();
    await webhooks.sweep();
    for (const endpoint of endpoints) await webhooks.inState(eventId, endpoint, 'delivered');
    await webhooks.sweep();
    expect(await deliveries.countDocuments()).toBe(3);
    expect(received()).toHaveLength(3);
    expect(await webhooks.delivery(eventId, second)).toMatchObject({ attempts_made: 2 });
  });

  test('seals anew what the previous key has sealed, so that it can be dropped', async () => {
    const endpoint = await webhooks.addEndpoint();
    const before = await endpointOf(endpoint);
    const sealedAgain = () => webhooks.box.seal(endpoint.secret, secretOwner(endpoint.id));
    const second = sealedAgain();
    await rotateSecret(webhooks.system.connection, endpoint.id, before.secret, second);
    await rotateSecret(webhooks.system.connection, endpoint.id, second, sealedAgain());
    const next = { id: 'k2', key: randomBytes(32) };
    const stop = webhooks.start({ secretBox: new SecretBox(next, webhooks.key) });
    await webhooks.sweep();
    await stop();
    const after = await endpointOf(endpoint);
    const onlyNext = new SecretBox(next);
    expect(after.previous_secrets).toHaveLength(2);
    for (const sealed of [after.secret, ...after.previous_secrets.map((previous) => previous.sealed)]) {
      expect(onlyNext.open(sealed, secretOwner(endpoint.id))).toBe(endpoint.secret);
    }
    webhooks.start({ secretBox: onlyNext });
    await webhooks.inState(await webhooks.happen(), endpoint, 'delivered');
    expect(received()[0]?.verifiedBy).toEqual([endpoint.secret]);
  });
});

describe('by hand', () => {
  test('a delivery that pauses for hours is made at once', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave((_, earlier) => (earlier === 0 ? { kind: 'drop' } : undefined));
    webhooks.start({ retryDelays: [HOUR] });
    const eventId = await webhooks.happen();
    await waitFor('its job pauses', async () =>
      (await webhooks.deliveriesQueue.getDelayedCount()) === 1 ? true : undefined,
    );
    const { id } = (await webhooks.delivery(eventId, endpoint)) ?? { id: '' };
    expect(await redeliver(webhooks.system.connection, id)).toMatchObject({
      state: 'waiting',
      attempts_made: 0,
    });
    await startRedelivery(webhooks.deliveriesQueue, id, []);
    const delivered = await webhooks.inState(eventId, endpoint, 'delivered');
    expect(delivered.attempts).toHaveLength(2);
    await waitFor('no job is left', async () => {
      const { delayed, wait, active } = await webhooks.deliveriesQueue.getJobCounts(
        'delayed',
        'wait',
        'active',
      );
      return (delayed ?? 0) + (wait ?? 0) + (active ?? 0) === 0 ? true : undefined;
    });
  });

  test('a running attempt is not started over', async () => {
    const endpoint = await webhooks.addEndpoint();
    webhooks.receiver.behave(() => ({ kind: 'hang' }));
    webhooks.start({ answerMilliseconds: 3_000 });
    const eventId = await webhooks.happen();
    const { id } = await webhooks.inState(eventId, endpoint, 'attempting');
    expect(await redeliver(webhooks.system.connection, id)).toBe(undefined);
  });
});

test('without the key deliveries wait, and burn no attempt', async () => {
  const endpoint = await webhooks.addEndpoint();
  for (const secretBox of [null, new SecretBox({ id: 'k1', key: randomBytes(32) })]) {
    const stop = webhooks.start({ secretBox });
    const eventId = await webhooks.happen();
    const job = await waitFor('its job pauses', async () =>
      (await webhooks.deliveriesQueue.getDelayed()).at(0),
    );
    expect(await webhooks.delivery(eventId, endpoint)).toMatchObject({ state: 'waiting', attempts_made: 0 });
    expect(webhooks.lines.join('\n')).toContain('ENCRYPTION_KEY');
    await stop();
    await job.promote();
    const mended = webhooks.start();
    await webhooks.inState(eventId, endpoint, 'delivered');
    await mended();
  }
});

test('a run that is called off gives its attempt back', async () => {
  const endpoint = await webhooks.addEndpoint();
  webhooks.receiver.behave((_, earlier) => (earlier === 0 ? { kind: 'hang' } : undefined));
  const stop = webhooks.start({
    answerMilliseconds: 20_000,
    queues: [webhooksQueue, webhookDeliveriesQueue],
  });
  const eventId = await webhooks.happen();
  await waitFor('the attempt', async () => received()[0]);
  await stop();
  const released = await webhooks.inState(eventId, endpoint, 'waiting');
  expect(released).toMatchObject({ attempts_made: 0, attempts: [] });
  webhooks.start();
  await webhooks.inState(eventId, endpoint, 'delivered');
});
