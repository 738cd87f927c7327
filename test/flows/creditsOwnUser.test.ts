import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, AuthApi, addAccount } from '../support/authApi.ts';
import { CreditsClient } from '../support/creditsClient.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** What an account that is no admin's reaches of the new endpoints: what is about its own user. */
let system: TestSystem;
let client: CreditsClient;
let own: string;
let others: string;
let ask: (path: string) => Promise<Answer>;

beforeAll(async () => {
  system = await createTestSystem('own-user');
  const web = await system.startWeb({ JWT_SECRET: randomBytes(32).toString('base64url') });
  client = new CreditsClient(web, system);
  [own, others] = [
    await client.newUser(uniqueName('own'), 60),
    await client.newUser(uniqueName('other'), 60),
  ];
  const email = `${uniqueName('member')}@example.test`;
  const details = { kind: 'person', roles: ['member'], email, credits_user_id: own } as const;
  const { password } = await addAccount(system, details);
  const api = new AuthApi(web.url);
  const { access_token: token } = (await api.json('/api/auth/login', { email, password })).body;
  ask = (path) => api.get(`/api/unified${path}`, token);
});
afterAll(() => system.remove());

test('its own holds and balance', async () => {
  const { hold_id } = await client.hold(own, 5);
  await client.hold(others, 5);
  const holds = await ask(`/holds?user_id=${own}`);
  expect([holds.status, holds.body.holds.map((hold: { hold_id: string }) => hold.hold_id)]).toEqual([
    200,
    [hold_id],
  ]);
  const balances = await ask(`/balances?user_id=${own}`);
  expect([balances.status, balances.body.balances]).toEqual([200, [{ user_id: own, credits: 55, held: 5 }]]);
});

test("nobody else's, alone or beside its own, and no hold by its id", async () => {
  const { hold_id } = await client.hold(own, 1);
  for (const path of [
    `/holds?user_id=${others}`,
    `/holds?user_id=${own}&user_id=${others}`,
    '/holds',
    `/holds/${hold_id}?user_id=${own}`,
    `/balances?user_id=${others}`,
    `/balances?user_id=${own}&user_id=${others}`,
    `/balances?user_id=${others}&user_id=${own}`,
    '/balances',
  ]) {
    const { status, body } = await ask(path);
    expect([path, status]).toEqual([path, 403]);
    expect(body.detail).toContain('An account may ask for its own user only');
  }
});
