import type { LookupAddress } from 'node:dns';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type ReceiverBehaviour,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../sandbox/webhookReceiver.ts';
import { WebhookClient } from '../../src/platforms/webhooks.ts';
import { OutboundHosts, type ResolveHost } from '../../src/runtime/outboundHosts.ts';
import { startProcess } from '../support/processes.ts';

const never = new AbortController().signal;
const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': '1767580260', 'webhook-signature': 'v1,x' };
const body = '{"type":"credits.low"}';
const loopback: LookupAddress = { address: '127.0.0.1', family: 4 };
const patient = { connectMilliseconds: 5_000, answerMilliseconds: 10_000 };
const impatient = { connectMilliseconds: 300, answerMilliseconds: 400 };

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.close());

const anywhere = new OutboundHosts({ allowPrivate: true });
const publicOnly = (resolve?: ResolveHost) =>
  new OutboundHosts({ allowPrivate: false, ...(resolve ? { resolve } : {}) });

function post(url = receiver.url, hosts = anywhere, signal = never, limits = patient) {
  return new WebhookClient(hosts, limits).post({ url, headers, body }, signal);
}

function posting(behaviour: ReceiverBehaviour) {
  receiver.behave(() => behaviour);
  return post();
}

test('posts the body with its headers, over a connection of its own', async () => {
  receiver.behave(() => ({ kind: 'answer', status: 200, body: 'thanks' }));
  expect(await post()).toEqual({
    kind: 'answered',
    status: 200,
    retryAfterMilliseconds: undefined,
    text: 'thanks',
  });
  await post();
  expect(receiver.received[0]).toMatchObject({
    method: 'POST',
    path: '/hook',
    body,
    headers: {
      ...headers,
      'content-type': 'application/json',
      'content-length': String(body.length),
      connection: 'close',
    },
  });
  expect(receiver.connections).toBe(2);
});

test.each([200, 204, 302, 400, 404, 410, 429, 500, 503])('%i is told as it is', async (status) => {
  expect(await posting({ kind: 'answer', status })).toMatchObject({ kind: 'answered', status });
});

test('a redirect is not followed', async () => {
  const elsewhere = await startWebhookReceiver();
  for (const status of [301, 302, 303, 307, 308]) {
    const redirect = { kind: 'answer', status, headers: { location: elsewhere.url } } as const;
    expect(await posting(redirect)).toMatchObject({ kind: 'answered', status });
  }
  expect(elsewhere.connections).toBe(0);
  await elsewhere.close();
});

test.each([
  ['7', 7_000],
  ['999999999', 86_400_000],
  ['soon', undefined],
  ['-5', undefined],
])('Retry-After: %s', async (header, milliseconds) => {
  const answer = await posting({ kind: 'answer', status: 503, headers: { 'retry-after': header } });
  expect(answer).toMatchObject({ retryAfterMilliseconds: milliseconds });
});

describe('a receiver that behaves badly', () => {
  test('hangs: it costs the time-out and no more', async () => {
    receiver.behave(() => ({ kind: 'hang' }));
    expect(await post(receiver.url, anywhere, never, impatient)).toEqual({
      kind: 'unanswered',
      reason: 'no answer within 0.4 s',
    });
  });

  test('hangs in the body: the status is what it said', async () => {
    expect(await posting({ kind: 'hang-in-body', status: 200 })).toMatchObject({
      kind: 'answered',
      status: 200,
      text: 'a beginning',
    });
  });

  test('floods: a small part is read and the connection is closed', async () => {
    const answer = await posting({ kind: 'flood', status: 500 });
    expect(answer).toMatchObject({ kind: 'answered', status: 500, text: 'x'.repeat(4_096) });
    expect(receiver.bytesSent).toBeLessThan(16 * 1_024 * 1_024);
  });

  test.each([
    ['drops the connection', { kind: 'drop' }],
    ['sends headers beyond every limit', { kind: 'huge-head' }],
    ['speaks another protocol', { kind: 'gibberish' }],
    ['switches protocols', { kind: 'answer', status: 101, headers: { connection: 'upgrade', upgrade: 'x' } }],
  ] as const)('%s: no answer', async (_, behaviour) => {
    expect(await posting(behaviour)).toMatchObject({
      kind: 'unanswered',
      reason: expect.stringMatching(/^no answer: [A-Z_]+$/),
    });
  });

  test('is not there', async () => {
    await receiver.close();
    expect(await post()).toEqual({ kind: 'unanswered', reason: 'no answer: ECONNREFUSED' });
    receiver = await startWebhookReceiver();
  });

  test('has no TLS where the address says so', async () => {
    expect(await post(receiver.url.replace('http:', 'https:'))).toMatchObject({ kind: 'unanswered' });
    expect(receiver.received).toHaveLength(0);
  });

  test('has a name that nobody answers for', async () => {
    const silent = publicOnly(() => new Promise(() => undefined));
    expect(await post('http://silent.test/', silent, never, impatient)).toEqual({
      kind: 'unanswered',
      reason: 'no answer: CONNECT_TIMEOUT',
    });
  });

  test('has a name that does not exist', async () => {
    const unknown = publicOnly(() => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })));
    expect(await post('http://unknown.test/', unknown)).toEqual({
      kind: 'unanswered',
      reason: 'no answer: ENOTFOUND',
    });
  });
});

describe('the guard', () => {
  const refused = { kind: 'unanswered', reason: 'no answer: HOST_NOT_ALLOWED' };

  test('refuses private addresses in every notation before a connection is made', async () => {
    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
    ]) {
      expect([host, await post(`http://${host}:${receiver.port}/`, publicOnly())]).toEqual([host, refused]);
    }
    expect(receiver.connections).toBe(0);
  });

  test('refuses a name that answers with a private address, alone or among others', async () => {
    const url = `http://inside.test:${receiver.port}/`;
    const mixed = [{ address: '93.184.216.34', family: 4 }, loopback];
    expect(
      await post(
        url,
        publicOnly(async () => [loopback]),
      ),
    ).toEqual(refused);
    expect(
      await post(
        url,
        publicOnly(async () => mixed),
      ),
    ).toEqual(refused);
    expect(receiver.connections).toBe(0);
  });

  test('a name that was public when it was registered and is private now gains nothing', async () => {
    let answers = 0;
    const rebinding = publicOnly(async () =>
      answers++ === 0 ? [{ address: '93.184.216.34', family: 4 }] : [loopback],
    );
    expect(await rebinding.addressesOf('rebinding.test')).toHaveLength(1);
    expect(await post(`http://rebinding.test:${receiver.port}/`, rebinding)).toEqual(refused);
    expect(receiver.connections).toBe(0);
  });

  test('connects to the very addresses that it checked: there is one look-up for a connection', async () => {
    let answers = 0;
    const hosts = new OutboundHosts({
      allowPrivate: true,
      resolve: async () => {
        answers += 1;
        return [loopback];
      },
    });
    expect(await post(`http://named.test:${receiver.port}/`, hosts)).toMatchObject({ status: 204 });
    expect(answers).toBe(1);
    expect(receiver.received[0]?.headers.host).toBe(`named.test:${receiver.port}`);
  });
});

test('the signal of the run ends the request with its own reason', async () => {
  const arrived = Promise.withResolvers<void>();
  receiver.behave(() => {
    arrived.resolve();
    return { kind: 'hang' };
  });
  const stopping = new AbortController();
  const posted = post(receiver.url, anywhere, stopping.signal);
  void arrived.promise.then(() => stopping.abort(new Error('the worker stops')));
  await expect(posted).rejects.toThrow('the worker stops');
});

test('a proxy of the environment is not used', async () => {
  const proxy = await startWebhookReceiver();
  const script = `
    import { request } from 'node:http';
    import { once } from 'node:events';
    import { WebhookClient } from './src/platforms/webhooks.ts';
    import { OutboundHosts } from './src/runtime/outboundHosts.ts';
    const url = process.env.RECEIVER;
    const client = new WebhookClient(new OutboundHosts({ allowPrivate: true }));
    const answer = await client.post({ url, headers: {}, body: '{}' }, new AbortController().signal);
    const [ordinary] = await once(request(url, { method: 'PUT' }).end(), 'response');
    ordinary.resume();
    console.log(JSON.stringify(answer));
  `;
  const child = startProcess(
    '--input-type=module-typescript',
    {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: new URL(proxy.url).origin,
      http_proxy: new URL(proxy.url).origin,
      NO_PROXY: '',
      no_proxy: '',
      RECEIVER: receiver.url,
    },
    ['--eval', script],
  );
  const line = await child.line((text) => text.startsWith('{'));
  expect(JSON.parse(line)).toMatchObject({ kind: 'answered', status: 204 });
  await child.exited;
  // The ordinary request shows that the environment had a proxy.
  expect(proxy.received.map(({ method }) => method)).toEqual(['PUT']);
  expect(receiver.received.map(({ method }) => method)).toEqual(['POST']);
  await proxy.close();
});
