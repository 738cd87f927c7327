import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type CreditsSandbox, startCreditsServer } from '../../sandbox/creditsServer.ts';
import { CreditsServer, creditsBase } from '../../src/platforms/creditsServer.ts';
import { selfSigned } from '../support/selfSigned.ts';

const KEY = 'a-key-of-the-other-server';
const deduction = { user_id: 'u 1&2', amount: 3, app_name: 'icons', description: 'Icon batch' };
const addition = { user_id: 'u 1&2', amount: 3, transaction_type: 'adjustment', description: 'Not used' };

let sandbox: CreditsSandbox;
let server: CreditsServer;
beforeEach(async () => {
  sandbox = await startCreditsServer({ apiKey: KEY });
  sandbox.setCredits('u 1&2', 10);
  server = new CreditsServer(sandbox.url, KEY, 2_000);
});
afterEach(() => sandbox.close());

test('speaks the contract, whatever stands in a user’s id', async () => {
  expect(await server.findObstacle('u 1&2')).toBeUndefined();
  expect(await server.deduct(deduction, 'key-1')).toEqual({ kind: 'done' });
  expect(await server.add(addition, 'key-2')).toEqual({ kind: 'done' });
  expect(sandbox.received).toEqual([
    { operation: 'user-info', apiKey: KEY, idempotencyKey: undefined, body: { user_id: 'u 1&2' } },
    { operation: 'deduct-credits', apiKey: KEY, idempotencyKey: 'key-1', body: deduction },
    { operation: 'add-credits', apiKey: KEY, idempotencyKey: 'key-2', body: addition },
  ]);
});

test.each([
  ['http://host', 'http://host/api/unified'],
  ['https://host/base/', 'https://host/base/api/unified'],
  ['https://host/api/unified/', 'https://host/api/unified'],
  ['https://host/?x=1#y', 'https://host/api/unified'],
])('the base %s gives the address %s', (base, address) => {
  expect(creditsBase(base)).toBe(address);
});

describe('answers to a deduction', () => {
  const refusal = JSON.stringify({ success: false, error: 'no' });

  test.each([
    [400, refusal, 'refused'],
    [401, refusal, 'unavailable'],
    [403, refusal, 'unavailable'],
    [429, refusal, 'unavailable'],
    // The contract knows no such answer to a deduction; it may come from another address.
    [404, refusal, 'unknown'],
    [409, refusal, 'unknown'],
    [422, refusal, 'unknown'],
    [500, refusal, 'unknown'],
    [503, refusal, 'unknown'],
    [400, '<html>', 'unknown'],
    [401, '<html>', 'unknown'],
    [200, refusal, 'unknown'],
    [200, '{"success":"yes"}', 'unknown'],
    [200, `{"success":true,"pad":"${'x'.repeat(100_000)}"}`, 'unknown'],
    [307, '', 'unknown'],
  ])('%i %.24s is %s', async (status, body, kind) => {
    sandbox.behave(() => ({ kind: 'answer', status, body }));
    expect(await server.deduct(deduction, 'key')).toMatchObject({ kind });
    expect(sandbox.received).toHaveLength(1);
  });
});

test.each([400, 404])('an addition that is answered with %i is refused for good', async (status) => {
  sandbox.behave(() => ({ kind: 'answer', status, body: '{"success":false,"error":"User not found"}' }));
  expect(await server.add(addition, 'key')).toEqual({ kind: 'refused', reason: `${status} User not found` });
});

test('a wrong key is named, but not its value', async () => {
  const outcome = await new CreditsServer(sandbox.url, 'wrong-key').deduct(deduction, 'key');
  expect(outcome).toMatchObject({
    kind: 'unavailable',
    reason: expect.stringContaining('CREDITS_REMOTE_KEY'),
  });
  expect(JSON.stringify(outcome)).not.toContain('wrong-key');
});

describe('no answer', () => {
  test.each(['hang', 'serve-and-hang', 'serve-and-drop'] as const)('%s: nobody knows', async (kind) => {
    sandbox.behave(() => ({ kind }));
    const impatient = new CreditsServer(sandbox.url, KEY, 150);
    expect(await impatient.deduct(deduction, 'key')).toMatchObject({ kind: 'unknown' });
    expect(await impatient.findObstacle('u')).toMatch(/^no answer/);
  });

  test('the time-out holds for the body too', async () => {
    const trickling = createServer((_, response) => {
      response.writeHead(200);
      response.write('{"success":');
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    trickling.listen(0, '127.0.0.1', resolve);
    await promise;
    const address = trickling.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const impatient = new CreditsServer(`http://127.0.0.1:${address.port}`, KEY, 150);
    expect(await impatient.deduct(deduction, 'key')).toEqual({
      kind: 'unknown',
      reason: 'no answer within 0.15 s',
    });
    trickling.closeAllConnections();
    await new Promise((closed) => trickling.close(closed));
  });

  test('a certificate that is not trusted: certainly nothing was sent', async () => {
    const secure = createSecureServer(selfSigned());
    secure.listen(0, '127.0.0.1');
    onTestFinished(() => {
      secure.close();
    });
    await once(secure, 'listening');
    const address = secure.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const stranger = new CreditsServer(`https://127.0.0.1:${address.port}`, KEY);
    expect(await stranger.deduct(deduction, 'key')).toEqual({
      kind: 'unavailable',
      reason: 'no answer: DEPTH_ZERO_SELF_SIGNED_CERT',
    });
  });

  test.each([
    ['a closed port', () => sandbox.url],
    // Each address of the name is tried, and each fails.
    ['a closed port of a name', () => sandbox.url.replace('127.0.0.1', 'localhost')],
  ])('%s: certainly nothing was sent', async (_, url) => {
    const closed = await startCreditsServer({ apiKey: KEY });
    const port = new URL(closed.url).port;
    await closed.close();
    const address = url().replace(/:\d+$/, `:${port}`);
    expect(await new CreditsServer(address, KEY).deduct(deduction, 'key')).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringMatching(/^no answer: ECONNREFUSED$/),
    });
  });
});
