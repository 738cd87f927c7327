import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Scope } from '../../src/domain/accounts/scopes.ts';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
let url: string;
const seller = { user_id: 8_001, user_name: uniqueName('seller') };

beforeAll(async () => {
  system = await createTestSystem('usage-closed');
  await system.addUsers([seller]);
  ({ url } = await system.startWeb({ USAGE_ACCESS: 'closed' }));
});
afterAll(() => system.remove());

async function keyWith(...scopes: Scope[]): Promise<string> {
  const made = await createApiKey(system.connection, {
    name: uniqueName('key'),
    scopes,
    expires_at: null,
    rate_limit_per_minute: null,
    created_by: 'operator',
  });
  return made.text;
}

async function report(headers: Readonly<Record<string, string>>) {
  const body = new URLSearchParams({ userName: seller.user_name, image_count: '1', image_cost: '0.5' });
  const response = await fetch(`${url}/api/tools/update`, { method: 'POST', headers, body });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

async function stats(headers: Readonly<Record<string, string>>) {
  const response = await fetch(`${url}/api/tools/stats/${seller.user_name}`, { headers });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

test('reports and totals need a key with the scope, and say so in the words of their contract', async () => {
  const reporter = { 'X-API-Key': await keyWith('usage:report') };
  const reader = { Authorization: `Bearer ${await keyWith('usage:read')}` };
  expect((await report(reporter)).status).toBe(200);
  expect(await stats(reader)).toMatchObject({
    status: 200,
    body: { data: { stats: { total_image_count: 1 } } },
  });
  for (const refused of [await report({}), await stats({}), await report({ 'X-API-Key': 'wrong' })]) {
    expect(refused).toEqual({ status: 401, body: { status: 'error', message: expect.any(String) } });
  }
  expect(await report(reader)).toEqual({
    status: 403,
    body: {
      status: 'error',
      message: 'This needs the scope usage:report, which the credential does not hold',
    },
  });
  expect((await stats(reporter)).status).toBe(403);
  expect((await report({ 'X-API-Key': system.adminKey })).status).toBe(200);
});

test("a browser's page may send its key", async () => {
  const preflight = await fetch(`${url}/api/tools/update`, { method: 'OPTIONS' });
  const allowed = preflight.headers.get('access-control-allow-headers')?.split(',');
  expect(allowed).toEqual(expect.arrayContaining(['Authorization', 'X-API-Key', 'Content-Type']));
  const refused = await fetch(`${url}/api/tools/update`, { method: 'POST' });
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*']);
});
