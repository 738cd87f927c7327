import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreditsApi, expectRefusal, newProject, success } from '../support/creditsApi.ts';
import { inTime } from '../support/inTime.ts';
import { type MongoLink, openMongoLink } from '../support/mongoLink.ts';
import { rawExchange } from '../support/rawExchange.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** The habits of the clients that the credits and workspace contract was written for. */
const KEY = uniqueName('shared-key');
const BONUS_KEY = uniqueName('bonus-key');
const PAGE = 'https://penora.example.test';

let system: TestSystem;
let api: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('creditsclients');
  const web = await system.startWeb({
    PENORA_API_KEY: KEY,
    CORS_ORIGINS: `${PAGE}, https://other.example.test`,
  });
  api = new CreditsApi(web.url, KEY);
});

afterAll(() => system.remove());

/** The class that both apps carry: JSON headers on every call, and JSON read whatever the status. */
class BrowserClass {
  readonly userId: string;

  constructor(userId: string) {
    this.userId = userId;
  }

  async request(path: string, init: RequestInit = {}) {
    const response = await fetch(`${api.url}/api/unified${path}`, {
      ...init,
      headers: { 'Content-Type': 'application/json', 'X-API-Key': KEY },
    });
    return JSON.parse(await response.text());
  }

  async credits(): Promise<number> {
    const data = await this.request(`/user-info?user_id=${this.userId}`);
    return data.success ? data.credits : 0;
  }

  async deduct(amount: number): Promise<number | false> {
    const body = JSON.stringify({
      user_id: this.userId,
      amount,
      app_name: 'imagegene',
      description: 'AI image',
    });
    const data = await this.request('/deduct-credits', { method: 'POST', body });
    return data.success ? data.new_balance : false;
  }
}

describe('the class of the apps', () => {
  test('reads, spends and is told when there is not enough', async () => {
    const client = new BrowserClass(await api.newUser(uniqueName('u'), 10));
    expect(await client.credits()).toBe(10);
    expect(await client.deduct(7)).toBe(3);
    expect(await client.deduct(7)).toBe(false);
    expect(await client.credits()).toBe(3);
    expect(`${await client.credits()}`).toBe('3');
  });

  test('shows nothing for a user that nobody knows', async () => {
    const client = new BrowserClass(uniqueName('unknown'));
    expect(await client.credits()).toBe(0);
    expect(await client.deduct(1)).toBe(false);
  });

  test('names a JSON body in a GET that has none', async () => {
    const userId = await api.newUser(uniqueName('u'));
    for (const path of ['user-info', 'user-projects', 'projects', 'transactions', 'storage-stats']) {
      const answer = await api.get(`/${path}?user_id=${userId}`, { 'Content-Type': 'application/json' });
      expect(JSON.parse(answer.text).success, path).toBe(true);
    }
    const { host } = new URL(api.url);
    const received = await rawExchange(api.url, [
      `GET /api/unified/user-info?user_id=${userId} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${KEY}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    ]);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"credits":60/);
  });
});

describe('pages of other origins', () => {
  const preflight = (origin: string, path = '/api/unified/deduct-credits', method = 'POST') =>
    api.ask(path, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': 'content-type,x-api-key',
      },
    });

  test('may call when they are configured', async () => {
    const asked = await preflight(PAGE);
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(asked.headers.get('access-control-allow-methods')).toBe('POST');
    for (const header of ['Content-Type', 'X-API-Key', 'Authorization', 'Idempotency-Key']) {
      expect(asked.headers.get('access-control-allow-headers')).toContain(header);
    }
    const read = await preflight('https://other.example.test', '/api/unified/user-info', 'GET');
    expect(read.headers.get('access-control-allow-origin')).toBe('https://other.example.test');
    const answer = await api.get('/user-info?user_id=u', { Origin: PAGE });
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(answer.headers.get('vary')).toContain('Origin');
  });

  test('read refusals too', async () => {
    const missing = await api.ask('/api/unified/user-info?user_id=u', { headers: { Origin: PAGE } });
    const bad = await api.post('/deduct-credits', '{', { Origin: PAGE });
    expect([missing.status, bad.status]).toEqual([401, 400]);
    for (const answer of [missing, bad]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    }
  });

  test('may not when they are not', async () => {
    for (const origin of ['https://evil.example.test', 'null', `${PAGE}.evil.test`]) {
      expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBe(null);
      const answer = await api.get('/user-info?user_id=u', { Origin: origin });
      expect(answer.headers.get('access-control-allow-origin')).toBe(null);
    }
  });
});

test('the guide in Python: create, look, save, deduct with the code, list', async () => {
  const user_id = uniqueName('guide');
  const keyed = (path: string) => `/api/unified/${path}${path.includes('?') ? '&' : '?'}api_key=${KEY}`;
  const post = (path: string, body: object) =>
    success(
      api.ask(keyed(path), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'User-Agent': 'python-requests/2.31.0' },
        body: JSON.stringify(body),
      }),
    );
  await post('create-user', { user_id, username: 'Guide', email: 'guide@example.test', initial_credits: 60 });
  expect((await success(api.ask(keyed(`user-info?user_id=${user_id}`)))).credits).toBe(60);
  const image = { app_source: 'imagegene', project_type: 'ai_image', title: 'Sunset' };
  const saved = await post('save-project', newProject(user_id, 'aW1hZ2U=', image));
  const paid = await post('deduct-credits', {
    user_id,
    amount: 5,
    app_name: 'imagegene',
    description: 'Generated Sunset',
    project_code: saved.project_code,
  });
  expect([paid.credits_deducted, paid.new_balance]).toEqual([5, 55]);
  const { all_projects } = await success(api.ask(keyed(`projects?user_id=${user_id}`)));
  expect(all_projects).toMatchObject([
    {
      code: saved.project_code,
      title: 'Sunset',
      app_source: 'imagegene',
      project_type: 'ai_image',
      size_mb: 0,
    },
  ]);
});

test('the portal: response.ok, credits that are not undefined, purchases', async () => {
  const userId = await api.newUser(uniqueName('portal'), 0);
  const headers = { 'X-API-Key': KEY, 'Content-Type': 'application/json' };
  const body = JSON.stringify({
    user_id: userId,
    amount: 500,
    transaction_type: 'purchase',
    description: 'Package of 500',
  });
  const bought = await fetch(`${api.url}/api/unified/add-credits`, { method: 'POST', headers, body });
  expect([bought.ok, JSON.parse(await bought.text()).new_balance]).toEqual([true, 500]);
  const info = await fetch(`${api.url}/api/unified/user-info?user_id=${userId}`, {
    headers,
    signal: AbortSignal.timeout(5_000),
  });
  expect([info.ok, JSON.parse(await info.text()).credits]).toEqual([true, 500]);
});

describe('an Idempotency-Key', () => {
  test.each([
    ['deduct-credits', { amount: 3, app_name: 'penora' }, 57],
    ['add-credits', { amount: 3 }, 63],
    ['create-user', { username: 'n', email: 'e', initial_credits: 3 }, 60],
  ])('of %s gives the first answer again, for the same body only', async (path, fields, credits) => {
    const user_id = await api.newUser(uniqueName('u'), 60);
    const key = { 'Idempotency-Key': uniqueName('key') };
    const first = await api.post(`/${path}`, { user_id, ...fields }, key);
    expect(first.status).toBe(200);
    // The order of the fields is no difference.
    const again = await api.post(`/${path}`, { ...fields, user_id }, key);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expectRefusal(
      await api.post(`/${path}`, { user_id, ...fields, description: 'another', username: 'x' }, key),
      422,
      'This Idempotency-Key was used before with another request',
    );
    expect(await api.credits(user_id)).toBe(credits);
  });

  test('keeps a refusal, also when it would be granted meanwhile', async () => {
    const user_id = await api.newUser(uniqueName('u'), 0);
    const sent = { user_id, amount: 1, app_name: 'penora' };
    const key = { 'Idempotency-Key': uniqueName('key') };
    const refused = 'Insufficient credits or deduction failed';
    expectRefusal(await api.post('/deduct-credits', sent, key), 400, refused);
    await success(api.post('/add-credits', { user_id, amount: 1 }));
    expectRefusal(await api.post('/deduct-credits', sent, key), 400, refused);
    expect(await api.credits(user_id)).toBe(1);
  });

  test('is not used up by a request that could not be read', async () => {
    const user_id = await api.newUser(uniqueName('u'), 5);
    const key = { 'Idempotency-Key': uniqueName('key') };
    const sent = { user_id, amount: -1, app_name: 'penora' };
    expectRefusal(await api.post('/deduct-credits', sent, key), 400, 'amount must be a positive integer');
    await success(api.post('/deduct-credits', { ...sent, amount: 1 }, key));
  });

  test('belongs to its endpoint', async () => {
    const user_id = await api.newUser(uniqueName('u'), 5);
    const key = { 'Idempotency-Key': uniqueName('key') };
    const sent = { user_id, amount: 2, app_name: 'penora' };
    await success(api.post('/deduct-credits', sent, key));
    await success(api.post('/add-credits', sent, key));
    expect(await api.credits(user_id)).toBe(5);
  });
});

describe('CREDITS_AUTO_CREATE=1', () => {
  let open: CreditsApi;
  beforeAll(async () => {
    const web = await system.startWeb({ PENORA_API_KEY: KEY, CREDITS_AUTO_CREATE: '1' });
    open = new CreditsApi(web.url, KEY);
  });

  test.each([
    ['user-info', (user: string) => open.get(`/user-info?user_id=${user}`), 60],
    [
      'deduct-credits',
      (user_id: string) => open.post('/deduct-credits', { user_id, amount: 3, app_name: 'imagegene' }),
      57,
    ],
    ['add-credits', (user_id: string) => open.post('/add-credits', { user_id, amount: 10 }), 70],
    ['save-project', (user: string) => open.post('/save-project', newProject(user, 'x')), 60],
  ])('creates an unknown user at the first %s', async (_name, contact, credits) => {
    const userId = uniqueName('new');
    await success(contact(userId));
    // The other process creates nobody.
    expect(await api.credits(userId)).toBe(credits);
    const { all_transactions } = await success(api.get(`/transactions?user_id=${userId}`));
    const types = all_transactions.map((item: { transaction_type: string }) => item.transaction_type);
    expect(types.slice(-2).sort()).toEqual(['adjustment', 'bonus']);
  });

  test('creates one at many first contacts at once', async () => {
    const user_id = uniqueName('new');
    await Promise.all(
      Array.from({ length: 20 }, () =>
        success(open.post('/deduct-credits', { user_id, amount: 1, app_name: 'penora' })),
      ),
    );
    expect(await open.credits(user_id)).toBe(40);
  });

  test('leaves name and e-mail of a known user alone', async () => {
    const user_id = uniqueName('u');
    await success(api.post('/create-user', { user_id, username: 'Ann', email: 'ann@example.test' }));
    await success(open.post('/add-credits', { user_id, amount: 1 }));
    const stored = await system.connection
      .collection<{ _id: string }>('credit_accounts')
      .findOne({ _id: user_id });
    expect(stored).toMatchObject({ username: 'Ann', email: 'ann@example.test' });
  });

  test('does not create one by a request that is refused before', async () => {
    const user_id = uniqueName('new');
    expect((await open.post('/deduct-credits', { user_id, amount: -1, app_name: 'x' })).status).toBe(400);
    expect(await api.credits(user_id)).toBe(0);
  });
});

describe('MongoDB away', () => {
  let link: MongoLink;
  let away: CreditsApi;
  let user_id: string;

  beforeAll(async () => {
    link = await openMongoLink(system.mongoUrl);
    const web = await system.startWeb({
      PENORA_API_KEY: KEY,
      CREDITS_BONUS_KEY: BONUS_KEY,
      MONGODB_URL: link.url,
    });
    away = new CreditsApi(web.url, KEY);
    user_id = await api.newUser(uniqueName('u'), 60);
  });
  afterAll(() => link.close());

  test('every endpoint answers 503 as JSON within two seconds, and serves again afterwards', async () => {
    expect(await away.credits(user_id)).toBe(60);
    link.cut();
    const asked = [
      () => away.get(`/user-info?user_id=${user_id}`),
      () => away.get(`/user-projects?user_id=${user_id}`),
      () => away.get(`/projects?user_id=${user_id}`),
      () => away.get(`/project/ABCDEF?user_id=${user_id}`),
      () => away.get(`/transactions?user_id=${user_id}`),
      () => away.get(`/storage-stats?user_id=${user_id}`),
      () => away.post('/deduct-credits', { user_id, amount: 1, app_name: 'penora' }),
      () => away.post('/add-credits', { user_id, amount: 1 }),
      () => away.post('/create-user', { user_id, username: 'n', email: 'e' }),
      () => away.post('/save-project', newProject(user_id, 'x')),
      () => away.post('/give-bonus-credits', { admin_key: BONUS_KEY }),
    ];
    await Promise.all(
      asked.map(async (ask) => {
        const answer = await inTime(ask);
        expect([answer.status, JSON.parse(answer.text).success]).toEqual([503, false]);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }),
    );
    link.mend();
    await waitFor('it serves again', async () =>
      (await away.get(`/user-info?user_id=${user_id}`)).status === 200 ? true : undefined,
    );
    expect(await away.credits(user_id)).toBe(60);
  });

  test('a save whose answer got lost is found again under its key', async () => {
    const key = { 'Idempotency-Key': uniqueName('key') };
    const sent = newProject(user_id, 'saved, but not answered');
    link.holdCommits();
    expect((await away.post('/save-project', sent, key)).status).toBe(503);
    const again = await waitFor('the other process knows it', async () => {
      const answer = await api.post('/save-project', sent, key);
      return answer.status === 200 ? answer : undefined;
    });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect((await success(api.get(`/user-projects?user_id=${user_id}`))).total_projects).toBe(1);
  });
});
