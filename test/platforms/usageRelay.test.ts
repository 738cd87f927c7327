import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startUsageServer, type UsageServer } from '../../sandbox/usageServer.ts';
import type { ContractFields } from '../../src/domain/usage/contractFields.ts';
import { UsageRelay, updateUrl } from '../../src/platforms/usageRelay.ts';

const report: ContractFields = {
  userName: 'demo.Seller+x@example.test',
  image_count: '3',
  image_cost: '0.0609',
  video_count: '1',
  video_cost: '6.40',
  total_cost: '6.4609',
  timestamp: '2026-01-05 09:30:00',
};
const never = new AbortController().signal;

let server: UsageServer;
beforeEach(async () => {
  server = await startUsageServer();
});
afterEach(() => server.close());

function answering(status: number, body: string, headers: Record<string, string> = {}) {
  server.behave(() => ({ kind: 'answer', status, body, headers }));
  return new UsageRelay(server.url, 2_000).post(report, '4711', never);
}

test('posts the contract’s form with the key', async () => {
  expect(await new UsageRelay(server.url).post(report, '4711', never)).toEqual({ kind: 'accepted' });
  expect(server.received).toMatchObject([
    {
      path: '/api/tools/update',
      contentType: 'application/x-www-form-urlencoded',
      idempotencyKey: '4711',
      fields: report,
    },
  ]);
});

test.each([
  ['http://host', 'http://host/api/tools/update'],
  ['http://host/', 'http://host/api/tools/update'],
  ['https://host/base/', 'https://host/base/api/tools/update'],
  ['https://host/base/api/tools/update', 'https://host/base/api/tools/update'],
  ['https://host/api/tools/update/', 'https://host/api/tools/update'],
])('the base %s gives the address %s', (base, address) => {
  expect(updateUrl(base)).toBe(address);
});

describe('answers', () => {
  const refusal = JSON.stringify({ status: 'error', message: 'User not found or not a seller' });

  test.each([400, 404, 422])('%i is for good and keeps the message', async (status) => {
    expect(await answering(status, refusal)).toEqual({
      kind: 'refused',
      reason: `${status} User not found or not a seller`,
    });
  });

  test.each([401, 403, 408, 409, 500, 502, 503])('%i may be tried again', async (status) => {
    expect(await answering(status, refusal)).toMatchObject({ kind: 'unavailable' });
  });

  test.each([
    ['status error', '{"status":"error","message":"no"}'],
    ['no JSON', '<html>ok</html>'],
    ['JSON of another kind', '[1,2]'],
    ['nothing', ''],
    ['too much', `{"status":"success","pad":"${'x'.repeat(100_000)}"}`],
  ])('200 with %s is no success', async (_, body) => {
    expect(await answering(200, body)).toMatchObject({ kind: 'unavailable' });
  });

  test('a redirect is not followed', async () => {
    expect(await answering(307, '', { location: `${server.url}/elsewhere` })).toMatchObject({
      kind: 'unavailable',
      reason: '307',
    });
    expect(server.received).toHaveLength(1);
  });

  test.each([
    ['7', 7_000],
    ['999999', 3_600_000],
    ['soon', undefined],
    ['-5', undefined],
  ])('Retry-After: %s', async (header, milliseconds) => {
    const outcome = await answering(429, refusal, { 'retry-after': header });
    expect(outcome).toMatchObject({ kind: 'unavailable' });
    expect('retryAfterMilliseconds' in outcome ? outcome.retryAfterMilliseconds : undefined).toBe(
      milliseconds,
    );
  });

  test('Retry-After as a date', async () => {
    const outcome = await answering(503, '', {
      'retry-after': new Date(Date.now() + 60_000).toUTCString(),
    });
    expect(outcome).toMatchObject({ retryAfterMilliseconds: expect.closeTo(60_000, -4) });
  });
});

describe('no answer', () => {
  test('a server that hangs costs the time-out and no more', async () => {
    server.behave(() => ({ kind: 'hang' }));
    expect(await new UsageRelay(server.url, 150).post(report, '1', never)).toEqual({
      kind: 'unavailable',
      reason: 'no answer within 0.15 s',
    });
  });

  test('the time-out holds for the body too', async () => {
    const trickling = await listening(
      createServer((_, response) => {
        response.writeHead(200);
        response.write('{"status":');
      }),
    );
    expect(await new UsageRelay(trickling.url, 150).post(report, '1', never)).toMatchObject({
      kind: 'unavailable',
    });
    await trickling.close();
  });

  test('a dropped connection and a closed port may be tried again', async () => {
    server.behave(() => ({ kind: 'take-and-drop' }));
    expect(await new UsageRelay(server.url).post(report, '1', never)).toMatchObject({ kind: 'unavailable' });
    const closed = await startUsageServer();
    await closed.close();
    expect(await new UsageRelay(closed.url).post(report, '1', never)).toEqual({
      kind: 'unavailable',
      reason: 'no answer: ECONNREFUSED',
    });
  });

  test('the signal of the run ends the request with its own reason', async () => {
    server.behave(() => ({ kind: 'hang' }));
    const stopping = new AbortController();
    const posted = new UsageRelay(server.url).post(report, '1', stopping.signal);
    stopping.abort(new Error('the worker stops'));
    await expect(posted).rejects.toThrow('the worker stops');
  });
});

async function listening(http: Server): Promise<{ url: string; close(): Promise<void> }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  http.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: async () => {
      http.closeAllConnections();
      await new Promise((closed) => http.close(closed));
    },
  };
}
