import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import { createAccount } from '../../src/models/accounts.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const BOARD = { username: 'operator', password: 'a password of this test' };
const PASSWORD = 'correct horse of this test';
const ENVIRONMENT = {
  JWT_SECRET: 'a secret of this test and of nothing else',
  BOARD_USERNAME: BOARD.username,
  BOARD_PASSWORD: BOARD.password,
};

let system: TestSystem;
let web: Awaited<ReturnType<TestSystem['startWeb']>>;
let superadmin: { readonly id: string; readonly name: string; readonly token: string };

beforeAll(async () => {
  system = await createTestSystem('audit');
  web = await system.startWeb(ENVIRONMENT);
  const name = uniqueName('root');
  const account = await createAccount(
    system.connection,
    { kind: 'superadmin', roles: [], username: name },
    await new PasswordHasher().hash(PASSWORD),
  );
  const tokens = AccessTokens.open(readEnvironment({ ...system.environment, ...ENVIRONMENT }));
  superadmin = { id: account.account_id, name, token: (await tokens?.issue(account))?.token ?? '' };
});
afterAll(() => system.remove());

async function ask(path: string, credential: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${credential}`);
  const response = await fetch(`${web.url}${path}`, { ...init, headers });
  return {
    status: response.status,
    requestId: response.headers.get('x-request-id'),
    body: JSON.parse(await response.text()),
  };
}

async function newKey(scopes: readonly string[]) {
  const body = JSON.stringify({ name: uniqueName('key'), scopes });
  return ask('/api/keys', superadmin.token, { method: 'POST', body });
}

async function entries(query: string): Promise<Record<string, unknown>[]> {
  const answer = await ask(`/api/audit?${query}`, superadmin.token);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body.entries;
}

/** An entry is written after the answer. */
function entryOf(requestId: string | null, query = ''): Promise<Record<string, unknown>> {
  return waitFor('the entry is written', async () =>
    (await entries(`limit=1000&${query}`)).find((entry) => entry['request_id'] === requestId),
  );
}

describe('an entry says who did what to what, when, from where and with what outcome', () => {
  test('for keys that are made, rotated and revoked', async () => {
    const before = Date.now();
    const made = await newKey(['icons']);
    const who = `account:${superadmin.id}`;
    const common = { who, target: made.body.key_id, outcome: 'done', ip: '127.0.0.1' };
    const entry = await entryOf(made.requestId, 'action=api-key.create');
    expect(entry).toEqual({
      ...common,
      entry_id: expect.any(String),
      at: expect.any(String),
      action: 'api-key.create',
      status: 201,
      request_id: made.requestId,
    });
    expect(Date.parse(String(entry['at']))).toBeGreaterThanOrEqual(before);
    for (const step of ['rotate', 'revoke']) {
      const done = await ask(`/api/keys/${made.body.key_id}/${step}`, superadmin.token, { method: 'POST' });
      expect(await entryOf(done.requestId)).toMatchObject({
        ...common,
        action: `api-key.${step}`,
        status: 200,
      });
    }
  });

  test('for what was refused', async () => {
    const bad = await ask('/api/keys', superadmin.token, { method: 'POST', body: '{"name":""}' });
    expect(await entryOf(bad.requestId)).toMatchObject({ outcome: 'failed', status: 400, target: null });
  });

  test('for a void by the operator', async () => {
    const done = await ask('/api/tools/records/999999999/void', system.adminKey, { method: 'POST' });
    expect(await entryOf(done.requestId)).toMatchObject({
      who: 'operator',
      action: 'usage-record.void',
      target: '999999999',
      outcome: 'failed',
      status: 404,
    });
  });

  test('for a known caller who was refused, once a minute', async () => {
    const { key, key_id } = (await newKey(['icons'])).body;
    const who = `api-key:${key_id}`;
    const first = await ask('/api/audit', key);
    expect(first.status).toBe(403);
    for (let times = 0; times < 3; times++) await ask('/api/audit', key);
    expect(await entryOf(first.requestId, `who=${who}`)).toMatchObject({
      who,
      action: 'access.denied',
      target: 'GET /api/audit',
      outcome: 'denied',
      status: 403,
    });
    const last = await ask('/api/keys', key);
    await entryOf(last.requestId);
    expect(await entries(`who=${who}`)).toHaveLength(2);
  });

  test('for logins of a superadmin, good and bad', async () => {
    const logIn = (password: string) =>
      ask('/api/superadmin/login', '', {
        method: 'POST',
        body: JSON.stringify({ username: superadmin.name, password }),
        headers: { 'Content-Type': 'application/json' },
      });
    const who = `account:${superadmin.id}`;
    const wrong = await logIn('wrong password of this test');
    expect(await entryOf(wrong.requestId)).toMatchObject({ who, outcome: 'denied', status: 401 });
    const right = await logIn(PASSWORD);
    expect(await entryOf(right.requestId)).toMatchObject({ who, outcome: 'done', status: 200 });
    expect(await entries(`who=${who}&action=superadmin.login&outcome=denied`)).toHaveLength(1);
  });

  test('for changes on the board', async () => {
    const settings = readEnvironment(system.environment);
    const queues = openQueues(system.redis, settings.REDIS_PREFIX);
    const job = await queues.of(usageQueue).add('store', { payload: {}, request_ids: [] });
    const requestId = uniqueName('board-request');
    const retried = await fetch(`${web.url}/admin/queues/api/queues/usage/${job.id}/retry`, {
      method: 'PUT',
      headers: {
        authorization: `Basic ${Buffer.from(`${BOARD.username}:${BOARD.password}`).toString('base64')}`,
        'x-request-id': requestId,
      },
    });
    expect(await entryOf(requestId)).toMatchObject({
      who: 'board:operator',
      action: 'job.retry',
      target: `usage/${job.id}`,
      status: retried.status,
    });
    await job.remove();
    await queues.close();
  });
});

test('reading is not written down, and what has no known caller is not either', async () => {
  const shown = await ask('/api/keys', superadmin.token);
  const unknown = await ask('/api/keys', 'nobody', { method: 'POST', body: '{}' });
  expect([shown.status, unknown.status]).toEqual([200, 401]);
  const after = await newKey(['icons']);
  await entryOf(after.requestId);
  const ids = (await entries('limit=1000')).map((entry) => entry['request_id']);
  expect(ids).not.toContain(shown.requestId);
  expect(ids).not.toContain(unknown.requestId);
});

describe('reading', () => {
  test('goes newest first, in pages', async () => {
    for (let count = 0; count < 4; count++) await entryOf((await newKey(['icons'])).requestId);
    const all = await entries('limit=1000&action=api-key.create');
    const paged: Record<string, unknown>[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await ask(
        `/api/audit?limit=2&action=api-key.create${cursor && `&cursor=${cursor}`}`,
        superadmin.token,
      );
      paged.push(...page.body.entries);
      cursor = page.body.next_cursor;
    }
    expect(paged).toEqual(all);
    const times = all.map((entry) => Date.parse(String(entry['at'])));
    expect(times).toEqual(times.toSorted((one, other) => other - one));
  });

  test('takes filters by target and time', async () => {
    const [newest, second] = await entries('action=api-key.create&limit=2');
    const at = String(newest?.['at']);
    expect(await entries(`target=${newest?.['target']}`)).toEqual([newest]);
    expect((await entries(`from=${at}&action=api-key.create`)).at(-1)).toEqual(newest);
    expect((await entries(`to=${at}&action=api-key.create`))[0]).toEqual(second);
  });

  test.each(['limit=0', 'action=create', 'outcome=good', 'from=yesterday', 'cursor=x'])(
    '%s is refused',
    async (query) => {
      expect((await ask(`/api/audit?${query}`, superadmin.token)).status).toBe(400);
    },
  );

  test('needs the scope administration', async () => {
    expect((await fetch(`${web.url}/api/audit`)).status).toBe(401);
    expect((await ask('/api/audit', system.adminKey)).status).toBe(200);
  });
});

test('no secret and no body is in the log, nor in any line', async () => {
  const { key } = (await newKey(['icons'])).body;
  const log = JSON.stringify(await system.connection.collection('audit_log').find().toArray());
  const output = web.lines.join('\n');
  for (const secret of [
    key,
    key.slice(-43),
    PASSWORD,
    'wrong password',
    superadmin.token,
    BOARD.password,
    system.adminKey,
  ]) {
    expect(log).not.toContain(secret);
    expect(output).not.toContain(secret);
  }
});

test('an entry that cannot be written fails no request, and is in the log of the process', async () => {
  await system.connection.collection('audit_log').drop();
  await system.connection.createCollection('audit_log', { validator: { never: true } });
  const made = await newKey(['icons']);
  expect(made.status).toBe(201);
  const line = await web.line(
    (text) => text.includes('could not be written') && text.includes(`${made.requestId}`),
  );
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    entry: { action: 'api-key.create', target: made.body.key_id },
  });
});
