import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Scope } from '../../src/domain/accounts/scopes.ts';
import { createApiKey } from '../../src/models/apiKeys.ts';
import { type AccessProcess, startAccessServer } from '../api/accessProcess.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('limits');
});
afterAll(() => system.remove());

async function keyOf(scopes: readonly Scope[], limit: number | null = null): Promise<string> {
  const made = await createApiKey(system.connection, {
    name: uniqueName('key'),
    scopes,
    expires_at: null,
    rate_limit_per_minute: limit,
    created_by: 'operator',
  });
  return made.text;
}

async function post(url: string, key: string, body = '{}') {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'X-API-Key': key, 'Content-Type': 'application/json' },
  });
  const { headers } = response;
  return {
    status: response.status,
    policy: headers.get('ratelimit-policy'),
    limit: headers.get('ratelimit'),
    retryAfter: headers.get('retry-after'),
    text: await response.text(),
  };
}

/** A server with these limits and a count of its own. */
async function serve(environment: Readonly<Record<string, string>>): Promise<AccessProcess> {
  const server = await startAccessServer({
    ...system.environment,
    REDIS_PREFIX: uniqueName('limits'),
    ...environment,
  });
  servers.push(server);
  if (!environment['REDIS_URL']) await waitFor('Redis is connected', () => hasRedis(server.url));
  return server;
}
const servers: AccessProcess[] = [];

/** Until then a process counts for itself. */
async function hasRedis(url: string): Promise<true | undefined> {
  const { checks } = JSON.parse(await (await fetch(`${url}/readyz`)).text());
  return checks.find((check: { name: string }) => check.name === 'redis').ok || undefined;
}

afterAll(async () => {
  for (const server of servers) server.kill('SIGKILL');
  await Promise.all(servers.map((server) => server.exited));
});

describe('new endpoints', () => {
  test('count the requests of a caller over all processes', async () => {
    const shared = { REDIS_PREFIX: uniqueName('limits'), RATE_LIMIT_PER_MINUTE: '6' };
    const [one, other] = await Promise.all([serve(shared), serve(shared)]);
    const key = await keyOf(['usage:write']);
    for (const left of [5, 4, 3, 2, 1, 0]) {
      const answer = await post(`${left % 2 ? one.url : other.url}/problem`, key);
      expect([answer.status, answer.policy]).toEqual([200, '"requests";q=6;w=60']);
      expect(answer.limit).toMatch(new RegExp(`^"requests";r=${left};t=\\d+$`));
      expect(answer.retryAfter).toBeNull();
    }
    for (const { url } of [one, other]) {
      const refused = await post(`${url}/problem`, key);
      expect([refused.status, refused.policy]).toEqual([429, '"requests";q=6;w=60']);
      const seconds = Number(/^"requests";r=0;t=(\d+)$/.exec(refused.limit ?? '')?.[1]);
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(refused.retryAfter).toBe(String(seconds));
      expect(JSON.parse(refused.text)).toMatchObject({ status: 429, title: 'Too Many Requests' });
    }
    expect((await post(`${one.url}/problem`, await keyOf(['usage:write']))).status).toBe(200);
    expect((await post(`${one.url}/problem`, system.adminKey)).limit).toMatch(/r=5/);
  });

  test('count the requests of an address where they are open', async () => {
    const server = await serve({ RATE_LIMIT_PER_MINUTE: '2', TRUSTED_PROXIES: '1' });
    const from = async (address: string) =>
      (await fetch(`${server.url}/open`, { method: 'POST', headers: { 'X-Forwarded-For': address } })).status;
    expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.1')]).toEqual([
      200, 200, 429,
    ]);
    expect(await from('192.0.2.2')).toBe(200);
    // Whoever has one address of a site has all of them.
    const site = ['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:ffff::3'];
    expect([await from(site[0] ?? ''), await from(site[1] ?? ''), await from(site[2] ?? '')]).toEqual([
      200, 200, 429,
    ]);
    expect(await from('2001:db8:1:3::1')).toBe(200);
  });

  test('leave out what supervisors and browsers fetch', async () => {
    const server = await serve({ RATE_LIMIT_PER_MINUTE: '1' });
    for (let times = 0; times < 5; times++) {
      const answer = await fetch(`${server.url}/healthz`);
      expect([answer.status, answer.headers.get('ratelimit')]).toEqual([200, null]);
    }
  });

  test('let only so many of many at once in', async () => {
    const server = await serve({ RATE_LIMIT_PER_MINUTE: '10' });
    const key = await keyOf(['usage:write']);
    const answers = await Promise.all(Array.from({ length: 40 }, () => post(`${server.url}/problem`, key)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
  });
});

describe('endpoints of the contracts', () => {
  test('have no limit unless one is configured', async () => {
    const server = await serve({ RATE_LIMIT_PER_MINUTE: '1' });
    const key = await keyOf(['credits:write']);
    for (let times = 0; times < 5; times++) {
      expect(await post(`${server.url}/credits`, key)).toMatchObject({
        status: 200,
        limit: null,
        policy: null,
      });
    }
    expect(
      (await fetch(`${server.url}/open-contract`, { method: 'POST' })).headers.get('ratelimit'),
    ).toBeNull();
  });

  test('have the configured one, and refuse in the words of their family', async () => {
    const server = await serve({ RATE_LIMIT_CONTRACT_PER_MINUTE: '1' });
    const key = await keyOf(['credits:write', 'usage:read', 'icons', 'administration', 'photos']);
    expect((await post(`${server.url}/credits`, key)).status).toBe(200);
    const message = expect.stringMatching(/^Too many requests: 1 in 60 s are allowed; try again in \d+ s$/);
    const bodies = {
      credits: { success: false, error: message },
      usage: { status: 'error', message },
      icons: { message },
      commerce: { detail: message },
      photos: { detail: message },
    };
    for (const [family, body] of Object.entries(bodies)) {
      const refused = await post(`${server.url}/${family}`, key);
      expect([family, refused.status, JSON.parse(refused.text)]).toEqual([family, 429, body]);
      expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    }
    const open = () => fetch(`${server.url}/open-contract`, { method: 'POST' });
    expect([(await open()).status, (await open()).status]).toEqual([200, 429]);
  });
});

test("an API key's own limit stands in place of the configured ones, everywhere", async () => {
  const server = await serve({ RATE_LIMIT_PER_MINUTE: '1', RATE_LIMIT_CONTRACT_PER_MINUTE: '1' });
  const key = await keyOf(['credits:write', 'usage:write'], 3);
  for (const [path, left] of [
    ['problem', 2],
    ['credits', 1],
    ['problem', 0],
  ] as const) {
    const answer = await post(`${server.url}/${path}`, key);
    expect([answer.status, answer.policy]).toEqual([200, '"requests";q=3;w=60']);
    expect(answer.limit).toContain(`;r=${left};`);
  }
  expect((await post(`${server.url}/credits`, key)).status).toBe(429);
});

describe('batches of usage', () => {
  const seller = { user_id: 9_001, user_name: uniqueName('seller') };
  const events = (count: number) =>
    JSON.stringify(
      Array.from({ length: count }, () => ({ userName: seller.user_name, image_count: 1, image_cost: 1 })),
    );

  test('are counted by their events, before any is queued', async () => {
    await system.addUsers([seller]);
    const web = await system.startWeb({ RATE_LIMIT_EVENTS_PER_MINUTE: '100', RATE_LIMIT_PER_MINUTE: '1' });
    const path = `${web.url}/api/tools/update/batch`;
    const key = await keyOf(['usage:write']);
    const first = await post(path, key, events(60));
    expect([first.status, first.policy]).toEqual([200, '"events";q=100;w=60']);
    expect(first.limit).toMatch(/^"events";r=40;t=\d+$/);
    const tooMany = await post(path, key, events(41));
    expect([tooMany.status, tooMany.limit?.slice(0, 12)]).toEqual([429, '"events";r=0']);
    expect(Number(tooMany.retryAfter)).toBeGreaterThan(0);
    // What was refused does not count.
    expect((await post(path, key, events(40))).status).toBe(200);
    expect((await post(path, key, events(1))).status).toBe(429);
    expect((await post(path, key, events(0))).status).toBe(429);
    const stats = await fetch(`${web.url}/api/tools/stats/${seller.user_name}`);
    expect(JSON.parse(await stats.text()).data.stats.total_image_count).toBe(100);
  });

  test("are counted against an API key's own limit", async () => {
    const web = await system.startWeb();
    const key = await keyOf(['usage:write', 'usage:read'], 10);
    const path = `${web.url}/api/tools/update/batch`;
    expect((await post(path, key, events(9))).limit).toMatch(/^"events";r=1;/);
    const get = () => fetch(`${web.url}/api/tools/records/999999999`, { headers: { 'X-API-Key': key } });
    expect([(await get()).status, (await get()).status]).toEqual([404, 429]);
  });
});

test('with Redis away requests are limited by each process for itself, and none breaks', async () => {
  const server = await serve({ REDIS_URL: 'redis://127.0.0.1:1', RATE_LIMIT_PER_MINUTE: '3' });
  const key = await keyOf(['usage:write']);
  const statuses: number[] = [];
  // On a busy machine the first look-up of the key may take longer than it is waited for.
  while (statuses.length < 5) {
    const { status } = await post(`${server.url}/problem`, key);
    if (status !== 503) statuses.push(status);
  }
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  expect((await post(`${server.url}/problem`, await keyOf(['usage:write']))).limit).toMatch(/r=2/);
});

test('nothing that a caller sends becomes part of a key in Redis', async () => {
  const prefix = uniqueName('limits');
  const server = await serve({ REDIS_PREFIX: prefix, RATE_LIMIT_PER_MINUTE: '5' });
  const key = await keyOf(['usage:write']);
  await post(`${server.url}/problem`, key);
  await post(`${server.url}/open`, randomBytes(8).toString('hex'));
  const keys = await system.redis.keys(`${prefix}:limits:*`);
  expect(keys).toHaveLength(2);
  for (const name of keys) expect(name.slice(prefix.length)).toMatch(/^:limits:requests:[A-Za-z0-9_-]{43}$/);
  for (const name of keys) expect(await system.redis.pttl(name)).toBeGreaterThan(0);
});
