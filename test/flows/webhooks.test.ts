import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startWebhookReceiver, type WebhookReceiver } from '../../sandbox/webhookReceiver.ts';
import type { Scope } from '../../src/domain/accounts/scopes.ts';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import type { TestProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { WebhooksApi } from '../support/webhooksApi.ts';

/** The endpoints of webhooks, with the workers of the product. */
const SHARED_KEY = randomBytes(24).toString('base64url');
const KEYS = {
  ENCRYPTION_KEY: `k1:${randomBytes(32).toString('base64')}`,
  WEBHOOKS_ALLOW_PRIVATE: '1',
  PENORA_API_KEY: SHARED_KEY,
};
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let system: TestSystem;
let web: TestProcess & { readonly url: string };
let api: WebhooksApi;
let receiver: WebhookReceiver;
let stopWorkers: () => Promise<void>;

beforeAll(async () => {
  system = await createTestSystem('webhooks-api');
  receiver = await startWebhookReceiver();
  web = await system.startWeb(KEYS);
  api = new WebhooksApi(web.url, system.adminKey);
  stopWorkers = await startLocalWorkers(system, KEYS, ['webhooks', 'webhook-deliveries']);
});
afterAll(async () => {
  await stopWorkers();
  await system.remove();
  await receiver.close();
});
beforeEach(async () => {
  receiver.behave(() => undefined);
  await system.connection.collection('webhook_endpoints').deleteMany({});
});

async function delivered(path: string, state = 'delivered') {
  return waitFor(`${path} is ${state}`, async () => {
    const { body } = await api.get(path.replace('/api/webhooks', ''));
    return body.state === state ? body : undefined;
  });
}

describe('receivers', () => {
  test('are registered, shown without their secret, changed and removed', async () => {
    const answer = await api.post('', {
      url: receiver.url,
      events: ['credits.low', 'credits.low'],
      description: 'The shop',
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { secret, ...shown } = answer.body;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toEqual({
      id: expect.stringMatching(/^whe_[0-9a-f]{24}$/),
      url: receiver.url,
      events: ['credits.low'],
      description: 'The shop',
      status: 'enabled',
      disabled_reason: null,
      failing_since: null,
      previous_secret_until: null,
      created_at: INSTANT,
      updated_at: INSTANT,
    });
    expect(answer.headers.get('location')).toBe(`/api/webhooks/${shown.id}`);
    expect((await api.get(`/${shown.id}`)).body).toEqual(shown);
    const second = await api.register('https://[2606:4700:4700::1111]/hook', ['*']);
    const { body: list } = await api.get();
    expect(list.webhooks.map((webhook: { id: string }) => webhook.id)).toEqual([shown.id, second.id]);
    expect(JSON.stringify(list)).not.toContain('secret"');

    const changed = await api.ask('PATCH', `/${shown.id}`, { events: ['*'], status: 'disabled' });
    expect(changed.body).toEqual({
      ...shown,
      events: ['*'],
      status: 'disabled',
      disabled_reason: 'Disabled by request',
      updated_at: INSTANT,
    });
    const again = await api.ask('PATCH', `/${shown.id}`, { status: 'enabled', url: `${receiver.url}/two` });
    expect(again.body).toMatchObject({
      status: 'enabled',
      disabled_reason: null,
      url: `${receiver.url}/two`,
    });

    const removed = await api.ask('DELETE', `/${shown.id}`);
    expect([removed.status, removed.body]).toEqual([204, undefined]);
    for (const gone of [
      await api.get(`/${shown.id}`),
      await api.ask('DELETE', `/${shown.id}`),
      await api.ask('PATCH', `/${shown.id}`, { events: ['*'] }),
      await api.post(`/${shown.id}/rotate-secret`),
      await api.post(`/${shown.id}/test`),
      await api.get(`/${shown.id}/deliveries`),
      await api.get(`/${shown.id}/deliveries/dlv_1`),
      await api.post(`/${shown.id}/deliveries/dlv_1/redeliver`),
    ]) {
      expect(gone.status).toBe(404);
      expect(gone.headers.get('content-type')).toContain('application/problem+json');
    }
  });

  test('keep their secrets sealed', async () => {
    const { id, secret } = await api.register(receiver.url);
    await api.post(`/${id}/rotate-secret`);
    const stored = JSON.stringify(await system.connection.collection('webhook_endpoints').find().toArray());
    expect(stored).toMatch(/"secret":"v1:k1:[A-Za-z0-9_-]+"/);
    expect(stored).toMatch(/"previous_secret":"v1:k1:[A-Za-z0-9_-]+"/);
    expect(stored).not.toContain('whsec_');
    expect(stored).not.toContain(secret.slice('whsec_'.length));
  });

  test.each([
    ['{}', 'url'],
    ['{"url":1,"events":["*"]}', 'url'],
    ['{"url":"x","events":["*"]}', 'url'],
    ['{"url":"https://user:pass@[2606:4700::1]/","events":["*"]}', 'url'],
    ['{"url":"ftp://[2606:4700::1]/","events":["*"]}', 'url'],
    ['{"url":"https://no-such-host.invalid/","events":["*"]}', 'url'],
    ['{"url":"https://[2606:4700::1]/"}', 'events'],
    ['{"url":"https://[2606:4700::1]/","events":[]}', 'events'],
    ['{"url":"https://[2606:4700::1]/","events":["credits.high"]}', 'events.0'],
    ['{"url":"https://[2606:4700::1]/","events":["webhook.test"]}', 'events.0'],
    [`{"url":"https://[2606:4700::1]/","events":["*"],"description":"${'x'.repeat(256)}"}`, 'description'],
    ['{"url":"https://[2606:4700::1]/","events":["*"],"secret":"whsec_mine"}', ''],
  ])('cannot be registered with %s', async (body, field) => {
    const answer = await api.ask('POST', '', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map((problem: { field: string }) => problem.field)).toContain(field);
    expect(await system.connection.collection('webhook_endpoints').countDocuments()).toBe(0);
  });

  test.each(['{}', '{"status":"gone"}', '{"id":"x"}', '[]', '"x"', '{'])(
    'cannot be changed by %s',
    async (body) => {
      const { id } = await api.register(receiver.url);
      expect((await api.ask('PATCH', `/${id}`, body)).status).toBe(400);
    },
  );

  test('are bounded in number, also when they are registered at once', async () => {
    const url = 'https://[2606:4700:4700::1111]/';
    const count = () => system.connection.collection('webhook_endpoints').countDocuments();
    while ((await count()) < 90) await Promise.all(Array.from({ length: 10 }, () => api.register(url)));
    const body = { url, events: ['*'] };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.postSurely('', body)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      ...new Array<number>(10).fill(201),
      ...new Array<number>(10).fill(409),
    ]);
    expect(await count()).toBe(100);
    const listed = await api.get();
    await api.ask('DELETE', `/${listed.body.webhooks[50].id}`);
    await api.register(url);
  });

  test('need the scope', async () => {
    const keyWith = async (scopes: readonly Scope[]) => {
      const wanted = {
        name: 'test',
        scopes,
        expires_at: null,
        rate_limit_per_minute: null,
        created_by: 'test',
      };
      return (await createApiKey(system.connection, wanted)).text;
    };
    for (const [key, status] of [
      ['wrong', 401],
      [SHARED_KEY, 403],
      [await keyWith(['credits:read', 'operations']), 403],
      [await keyWith(['webhooks']), 404],
    ] as const) {
      const other = new WebhooksApi(web.url, key);
      for (const answer of [
        await other.get('/whe_1'),
        await other.ask('DELETE', '/whe_1'),
        await other.get('/whe_1/deliveries'),
        await other.post('/whe_1/rotate-secret'),
        await other.post('/whe_1/test'),
      ]) {
        expect(answer.status, JSON.stringify(answer.body)).toBe(status);
      }
    }
  });
});

describe('private addresses', () => {
  test('are refused at registration and in a change, in every notation', async () => {
    const strict = await system.startWeb({ ...KEYS, WEBHOOKS_ALLOW_PRIVATE: '0' });
    const outside = new WebhooksApi(strict.url, system.adminKey);
    const { id } = await outside.register('https://[2606:4700:4700::1111]/');
    const hosts = [
      '127.0.0.1',
      'localhost',
      '0',
      '2130706433',
      '0x7f.1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.0.1',
      '169.254.169.254',
      '100.64.0.1',
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[fd00::1]',
      '[fe80::1]',
      '[64:ff9b::7f00:1]',
      '224.0.0.1',
    ];
    for (const host of hosts) {
      const url = `http://${host}:8080/`;
      for (const answer of [
        await outside.post('', { url, events: ['*'] }),
        await outside.ask('PATCH', `/${id}`, { url }),
      ]) {
        expect([host, answer.status, answer.body.errors]).toEqual([
          host,
          400,
          [{ field: 'url', message: 'must not lead to a private address' }],
        ]);
      }
    }
    const service = await outside.post('', { url: 'http://93.184.216.34:25/', events: ['*'] });
    expect(service.body.errors).toEqual([{ field: 'url', message: expect.stringContaining('port') }]);
    await strict.stop();
  });
});

describe('without ENCRYPTION_KEY', () => {
  test('every endpoint answers 503 and says what to set', async () => {
    const { ENCRYPTION_KEY: _, ...others } = KEYS;
    const keyless = await system.startWeb(others);
    const without = new WebhooksApi(keyless.url, system.adminKey);
    for (const answer of [
      await without.get(),
      await without.post('', { url: receiver.url, events: ['*'] }),
      await without.get('/whe_1'),
      await without.ask('PATCH', '/whe_1', { events: ['*'] }),
      await without.ask('DELETE', '/whe_1'),
      await without.post('/whe_1/rotate-secret'),
      await without.get('/whe_1/deliveries'),
      await without.get('/whe_1/deliveries/dlv_1'),
      await without.post('/whe_1/deliveries/dlv_1/redeliver'),
      await without.post('/whe_1/test'),
    ]) {
      expect(answer.status).toBe(503);
      expect(answer.body.detail).toContain('set ENCRYPTION_KEY');
    }
    await keyless.stop();
  });
});

describe('deliveries', () => {
  test('of a test are signed, listed with their attempts, and made again under the same id', async () => {
    const { id, secret } = await api.register(receiver.url);
    receiver.trust(secret);
    receiver.behave(() => ({ kind: 'answer', status: 200, body: 'thanks; token=abc' }));
    const accepted = await api.post(`/${id}/test`);
    expect(accepted.status).toBe(202);
    expect(accepted.body).toMatchObject({ event_type: 'webhook.test', state: 'waiting', attempts: [] });
    const path = accepted.headers.get('location') ?? '';
    const first = await delivered(path);
    expect(first).toEqual({
      ...accepted.body,
      state: 'delivered',
      next_attempt_at: null,
      attempts: [
        {
          at: INSTANT,
          duration_ms: expect.any(Number),
          status_code: 200,
          error: null,
          response: 'thanks; token=[redacted]',
        },
      ],
    });
    const [sent] = receiver.received.slice(-1);
    expect(sent?.verifiedBy).toEqual([secret]);
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      type: 'webhook.test',
      timestamp: INSTANT,
      data: { endpoint_id: id },
    });

    const rotated = await api.post(`/${id}/rotate-secret`);
    expect(rotated.status).toBe(200);
    expect(rotated.body.secret).not.toBe(secret);
    expect(Date.parse(rotated.body.previous_secret_until) - Date.now()).toBeGreaterThan(23.9 * 3_600_000);
    receiver.trust(rotated.body.secret);
    const again = await api.post(`${path.replace('/api/webhooks', '')}/redeliver`);
    expect([again.status, again.headers.get('location')]).toEqual([202, path]);
    const second = await delivered(path);
    expect(second.attempts).toHaveLength(2);
    const [repeated] = receiver.received.slice(-1);
    expect(repeated?.verifiedBy).toEqual([secret, rotated.body.secret]);
    expect(repeated?.headers['webhook-id']).toBe(sent?.headers['webhook-id']);
    expect((await api.get(`/${id}/deliveries`)).body).toEqual({ deliveries: [second], next_cursor: null });
  });

  test('are listed in pages, the newest first, of one receiver only', async () => {
    const [one, other] = [await api.register(receiver.url), await api.register(receiver.url)];
    const made: string[] = [];
    for (let number = 0; number < 7; number++) made.unshift((await api.post(`/${one.id}/test`)).body.id);
    const foreign = (await api.post(`/${other.id}/test`)).body.id;
    const listed: string[] = [];
    let query = '?limit=3';
    for (let page = 0; page < 3; page++) {
      const { body } = await api.get(`/${one.id}/deliveries${query}`);
      listed.push(...body.deliveries.map((delivery: { id: string }) => delivery.id));
      query = `?limit=3&cursor=${body.next_cursor}`;
      expect(body.next_cursor === null).toBe(page === 2);
    }
    expect(listed).toEqual(made);
    expect((await api.get(`/${one.id}/deliveries/${foreign}`)).status).toBe(404);
    expect((await api.post(`/${one.id}/deliveries/${foreign}/redeliver`)).status).toBe(404);
    for (const wrong of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=MTIz']) {
      expect([wrong, (await api.get(`/${one.id}/deliveries?${wrong}`)).status]).toEqual([wrong, 400]);
    }
  });

  test('are tried again after five seconds', async () => {
    const { id } = await api.register(receiver.url);
    const before = receiver.received.length;
    receiver.behave((_, earlier) => (earlier === before ? { kind: 'answer', status: 500 } : undefined));
    const accepted = await api.post(`/${id}/test`);
    const { attempts } = await delivered(accepted.headers.get('location') ?? '');
    expect(attempts.map((attempt: { status_code: number }) => attempt.status_code)).toEqual([500, 204]);
    const wait = Date.parse(attempts[1].at) - Date.parse(attempts[0].at);
    expect(wait).toBeGreaterThanOrEqual(5_000);
  });

  test('of a disabled receiver, and those with a running attempt, are not made again by hand', async () => {
    const { id } = await api.register(receiver.url);
    const arrived = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    receiver.behave(() => {
      arrived.resolve();
      return { kind: 'answer-later', status: 200, when: answer.promise };
    });
    const accepted = await api.post(`/${id}/test`);
    const path = accepted.headers.get('location') ?? '';
    const redeliver = () => api.post(`${path.replace('/api/webhooks', '')}/redeliver`);
    await arrived.promise;
    expect((await redeliver()).status).toBe(409);
    answer.resolve();
    await delivered(path);
    await api.ask('PATCH', `/${id}`, { status: 'disabled' });
    for (const refused of [await redeliver(), await api.post(`/${id}/test`)]) {
      expect(refused.status).toBe(409);
      expect(refused.body.detail).toContain('disabled');
    }
  });
});

test('what is done to receivers is in the audit log, and nothing secret is in the log', async () => {
  const { id, secret } = await api.register(`${receiver.url}?key=in-the-address`);
  const { body } = await api.post(`/${id}/rotate-secret`);
  await api.post(`/${id}/test`);
  await api.ask('DELETE', `/${id}`);
  const actions = await waitFor('the entries', async () => {
    const entries = await system.connection.collection('audit_log').find({ target: id }).toArray();
    return entries.length === 4 ? entries.map((entry) => entry.action).toSorted() : undefined;
  });
  expect(actions).toEqual(['webhook.create', 'webhook.remove', 'webhook.rotate-secret', 'webhook.test']);
  const audit = JSON.stringify(await system.connection.collection('audit_log').find().toArray());
  for (const text of [secret.slice(6), body.secret.slice(6), 'in-the-address']) {
    expect(web.lines.join('\n')).not.toContain(text);
    expect(audit).not.toContain(text);
  }
});
