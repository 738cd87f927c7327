import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import { createAccount } from '../../src/models/accounts.ts';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { LOOKUP_DELAY_MILLISECONDS } from '../../src/runtime/recentLookups.ts';
import { CLOCK_THAT_JUMPS, JUMP_MILLISECONDS, letTimePass } from '../support/letTimePass.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const SECRET = 'a secret of this test and of nothing else';

let system: TestSystem;
let webs: readonly Awaited<ReturnType<TestSystem['startWeb']>>[];
let superadmin: { readonly id: string; readonly token: string };

beforeAll(async () => {
  system = await createTestSystem('api-keys');
  const environment = { JWT_SECRET: SECRET };
  webs = await Promise.all([system.startWeb(environment), system.startWeb(environment)]);
  const account = await createAccount(system.connection, {
    kind: 'superadmin',
    roles: [],
    username: uniqueName('root'),
  });
  const tokens = AccessTokens.open(readEnvironment({ ...system.environment, ...environment }));
  const issued = await tokens?.issue(account);
  superadmin = { id: account.account_id, token: issued?.token ?? '' };
});
afterAll(() => system.remove());

async function ask(path: string, credential: string, init: RequestInit = {}, web = webs[0]) {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${credential}`);
  const response = await fetch(`${web?.url}${path}`, { ...init, headers });
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
}

function send(path: string, body?: object, credential = superadmin.token) {
  return ask(path, credential, {
    method: 'POST',
    ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
  });
}

async function newKey(more: object = {}): Promise<{ key: string; key_id: string }> {
  const answer = await send('/api/keys', { name: uniqueName('key'), scopes: ['usage:read'], ...more });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
}

/** 200 would be a record that is there; 404 tells that the caller was let in. */
const LET_IN = 404;
const use = (key: string, web = webs[0]) => ask('/api/tools/records/1', key, {}, web);

describe('a key', () => {
  test('is shown once, works, and is kept as a hash', async () => {
    const answer = await send('/api/keys', {
      name: ' Reports ',
      scopes: ['usage:read', 'usage:read', 'usage:write'],
      expires_at: '2999-01-01T00:00:00+07:00',
      rate_limit_per_minute: 7,
    });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
    const { key, key_id } = answer.body;
    expect(key).toMatch(/^mrk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    const shown = {
      key_id,
      name: 'Reports',
      scopes: ['usage:read', 'usage:write'],
      status: 'active',
      rate_limit_per_minute: 7,
      created_by: `account:${superadmin.id}`,
      created_at: expect.any(String),
      expires_at: '2998-12-31T17:00:00.000Z',
      rotated_at: null,
      previous_secret_until: null,
      revoked_at: null,
      last_used_at: null,
    };
    expect(answer.body).toEqual({ ...shown, key });
    expect((await ask(`/api/keys/${key_id}`, superadmin.token)).body).toEqual(shown);
    const before = Date.now();
    expect((await use(key)).status).toBe(LET_IN);
    const stored = await system.connection.collection<{ _id: string }>('api_keys').findOne({ _id: key_id });
    expect(JSON.stringify(stored)).not.toContain(key.slice(-43));
    const used = await waitFor('the use is noted', async () => {
      const { body } = await ask(`/api/keys/${key_id}`, superadmin.token);
      return body.last_used_at ?? undefined;
    });
    expect(Date.parse(used)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(used)).toBeLessThanOrEqual(Date.now());
  });

  test('is used many times and written about once a minute', async () => {
    const { key, key_id } = await newKey();
    await use(key);
    const lastUse = async () =>
      (await ask(`/api/keys/${key_id}`, superadmin.token)).body.last_used_at ?? undefined;
    const first = await waitFor('the use is noted', lastUse);
    for (let times = 0; times < 20; times++) expect((await use(key)).status).toBe(LET_IN);
    expect(await lastUse()).toBe(first);
  });

  test('is refused in every process soon after it was revoked, and for ever', async () => {
    const { key, key_id } = await newKey();
    for (const web of webs) expect((await use(key, web)).status).toBe(LET_IN);
    const revoked = await send(`/api/keys/${key_id}/revoke`);
    const noticedBy = performance.now() + LOOKUP_DELAY_MILLISECONDS;
    expect(revoked.body).toMatchObject({ status: 'revoked', revoked_at: expect.any(String) });
    for (const web of webs) {
      for (let refused = false; !refused; ) {
        const askedAt = performance.now();
        refused = (await use(key, web)).status === 401;
        if (!refused) expect(askedAt, 'nobody who asks later is let in').toBeLessThan(noticedBy);
      }
    }
    expect((await send(`/api/keys/${key_id}/revoke`)).body).toEqual(revoked.body);
    const rotated = await send(`/api/keys/${key_id}/rotate`);
    expect([rotated.status, rotated.body.detail]).toEqual([409, 'The key is revoked; make a new one']);
  });

  test('has two secrets for the grace after a rotation', async () => {
    const { key: first, key_id } = await newKey();
    const second = (await send(`/api/keys/${key_id}/rotate`)).body;
    expect(second).toMatchObject({ key_id, rotated_at: expect.any(String) });
    const grace = Date.parse(second.previous_secret_until) - Date.parse(second.rotated_at);
    expect(grace).toBe(86_400_000);
    for (const secret of [first, second.key]) expect((await use(secret)).status).toBe(LET_IN);

    const third = (await send(`/api/keys/${key_id}/rotate`, { grace_seconds: 0 })).body;
    await waitFor('the first two are refused', async () => {
      const statuses = [(await use(first)).status, (await use(second.key)).status];
      return statuses.every((status) => status === 401) ? true : undefined;
    });
    expect((await use(third.key)).status).toBe(LET_IN);
  });

  test('keeps the secret that is in use when it is rotated twice, as was promised', async () => {
    const { key: first, key_id } = await newKey();
    const second = (await send(`/api/keys/${key_id}/rotate`)).body.key;
    const third = (await send(`/api/keys/${key_id}/rotate`)).body.key;
    await waitFor('the newest is known', async () =>
      (await use(third)).status === LET_IN ? true : undefined,
    );
    for (const secret of [first, second]) expect((await use(secret)).status).toBe(LET_IN);
    let answer = await send(`/api/keys/${key_id}/rotate`);
    while (answer.status === 200) answer = await send(`/api/keys/${key_id}/rotate`);
    expect([answer.status, answer.body.detail]).toEqual([
      409,
      'The key has 10 earlier secrets that still work; wait for their end, or end them all with grace_seconds 0',
    ]);
    expect((await use(first)).status).toBe(LET_IN);
  });

  test('ends when it expires', async () => {
    const web = await system.startWeb(CLOCK_THAT_JUMPS);
    const { text } = await createApiKey(system.connection, {
      name: uniqueName('short'),
      scopes: ['usage:read'],
      expires_at: new Date(Date.now() + JUMP_MILLISECONDS),
      rate_limit_per_minute: null,
      created_by: 'operator',
    });
    expect((await use(text, web)).status).toBe(LET_IN);
    await letTimePass(web);
    const refused = await use(text, web);
    expect([refused.status, refused.body.detail]).toEqual([401, 'The credential has expired']);
    expect((await use(text)).status, 'where it is earlier').toBe(LET_IN);
  });
});

describe('the list', () => {
  test('comes in pages, newest first, without secrets', async () => {
    const made: string[] = [];
    for (let count = 0; count < 5; count++) made.unshift((await newKey()).key_id);
    const listed: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await ask(`/api/keys?limit=2${cursor && `&cursor=${cursor}`}`, superadmin.token);
      expect(page.body.keys.length).toBeLessThanOrEqual(2);
      expect(JSON.stringify(page.body)).not.toMatch(/mrk_|hash/);
      listed.push(...page.body.keys.map((key: { key_id: string }) => key.key_id));
      cursor = page.body.next_cursor;
    }
    expect(listed.slice(0, 5)).toEqual(made);
    expect(new Set(listed).size).toBe(listed.length);
  });

  test('can be asked for revoked keys only', async () => {
    const { key_id } = await newKey();
    await send(`/api/keys/${key_id}/revoke`);
    const { body } = await ask('/api/keys?status=revoked', superadmin.token);
    expect(body.keys[0]).toMatchObject({ key_id, status: 'revoked' });
    expect(body.keys.every((key: { status: string }) => key.status === 'revoked')).toBe(true);
  });
});

test.each([
  [{}, 'name'],
  [{ name: ' ', scopes: ['icons'] }, 'name'],
  [{ name: 'x'.repeat(101), scopes: ['icons'] }, 'name'],
  [{ name: 'x', scopes: [] }, 'scopes'],
  [{ name: 'x', scopes: ['everything'] }, 'scopes.0'],
  [{ name: 'x', scopes: ['icons'], expires_at: 'tomorrow' }, 'expires_at'],
  [{ name: 'x', scopes: ['icons'], rate_limit_per_minute: 0 }, 'rate_limit_per_minute'],
  [{ name: 'x', scopes: ['icons'], hash: 'mine' }, ''],
])('%j is no key', async (body, field) => {
  const answer = await send('/api/keys', body);
  expect(answer.status).toBe(400);
  expect(answer.body.errors.map((error: { field: string }) => error.field)).toContain(field);
});

test('what has passed, is unknown or is no cursor is refused', async () => {
  const past = { name: 'x', scopes: ['icons'], expires_at: '2020-01-01T00:00:00Z' };
  expect((await send('/api/keys', past)).status).toBe(400);
  for (const path of ['/api/keys/unknown/revoke', '/api/keys/unknown/rotate']) {
    expect((await send(path)).status).toBe(404);
  }
  expect((await ask('/api/keys/unknown', superadmin.token)).status).toBe(404);
  for (const query of ['cursor=x', 'limit=0', 'status=gone']) {
    expect((await ask(`/api/keys?${query}`, superadmin.token)).status).toBe(400);
  }
});

test('only who may administrate may make keys', async () => {
  const { key } = await newKey({ scopes: ['usage:read', 'operations', 'credits:write'] });
  const refused = await send('/api/keys', { name: 'mine', scopes: ['administration'] }, key);
  expect([refused.status, refused.body.detail]).toEqual([
    403,
    'This needs the scope administration, which the credential does not hold',
  ]);
  expect((await ask('/api/keys', key)).status).toBe(403);
});

test('no secret of a key is in any line', async () => {
  const { key } = await newKey();
  await use(key);
  await use(`${key}x`);
  const request = 'api-keys-last-request';
  await fetch(`${webs[0]?.url}/healthz?key=${key}`, { headers: { 'X-Request-Id': request } });
  await webs[0]?.line((line) => line.includes(request));
  for (const web of webs) expect(web.lines.join('\n')).not.toMatch(/mrk_[0-9a-f]{16}_/);
});
