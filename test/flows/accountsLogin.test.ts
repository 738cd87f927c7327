import { randomBytes } from 'node:crypto';
import { hash } from 'argon2';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AuthApi, addAccount, randomPassword, secretsSeen } from '../support/authApi.ts';
import { cpuTicksOf } from '../support/cpuTime.ts';
import type { TestProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** The logins of the icons, commerce and photos contracts over one store of accounts. */
let system: TestSystem;
let web: TestProcess;
let api: AuthApi;

const JWT_SECRET = randomBytes(32).toString('base64url');

beforeAll(async () => {
  system = await createTestSystem('logins');
  const started = await system.startWeb({ JWT_SECRET, TRUSTED_PROXIES: '1' });
  web = started;
  api = new AuthApi(started.url);
});
afterAll(() => system.remove());

const address = () => `${uniqueName('Someone')}@example.test`;
const person = (roles: ('admin' | 'seller' | 'member')[] = ['member']) =>
  addAccount(system, { kind: 'person', roles, email: address(), first_name: 'An', last_name: 'Lê' });
const company = (password?: string) =>
  addAccount(system, { kind: 'company', roles: [], email: address(), company_name: 'Acme' }, password);
const edge = () => addAccount(system, { kind: 'edge', roles: [], username: uniqueName('Shop') });
const superadmin = () => addAccount(system, { kind: 'superadmin', roles: [], username: uniqueName('Root') });

describe('POST /api/auth/login', () => {
  test('gives a person an hour, and says who it is', async () => {
    const { account, password } = await addAccount(system, {
      kind: 'person',
      roles: ['admin', 'seller'],
      email: address(),
      first_name: 'An',
      last_name: 'Lê',
      usage_user_id: 7,
      credits_user_id: 'c-7',
    });
    const answer = await api.json('/api/auth/login', { email: account.email?.toUpperCase(), password });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'bearer',
      expires_in: 3_600,
      user: {
        id: account.account_id,
        kind: 'person',
        roles: ['admin', 'seller'],
        status: 'active',
        email: account.email,
        username: null,
        first_name: 'An',
        last_name: 'Lê',
        company_name: null,
        usage_user_id: 7,
        credits_user_id: 'c-7',
        store_id: null,
        created_at: expect.any(String),
        updated_at: expect.any(String),
        is_admin: true,
      },
    });
    expect(decodeProtectedHeader(answer.body.access_token)).toEqual({
      alg: 'HS256',
      typ: 'JWT',
      kid: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    const claims = decodeJwt(answer.body.access_token);
    expect(claims).toMatchObject({ iss: 'millrace', sub: account.account_id, kind: 'person', tv: 1 });
    expect(Number(claims.exp) - Number(claims.iat)).toBe(3_600);
    expect(claims.jti).toEqual(expect.any(String));
  });

  test('gives a company eight hours, with the claims of the commerce contract', async () => {
    const { account, password } = await company();
    const answer = await api.json('/api/auth/login', { email: account.email, password });
    expect(answer.body).toMatchObject({
      token_type: 'bearer',
      expires_in: 28_800,
      user: { is_admin: false },
    });
    expect(decodeJwt(answer.body.access_token)).toMatchObject({
      client_id: account.account_id,
      email: account.email,
    });
  });

  test('wrong credentials are 401 in the words of both contracts, whatever is wrong with them', async () => {
    const { account, password } = await person();
    const disabled = await person();
    await system.connection
      .collection<{ _id: string }>('accounts')
      .updateOne({ _id: disabled.account.account_id }, { $set: { status: 'disabled' } });
    const store = await edge();
    for (const [email, sent] of [
      [account.email, randomPassword()],
      [account.email, `${password} `],
      [address(), password],
      [disabled.account.email, disabled.password],
      [`${store.account.username}@example.test`, store.password],
    ]) {
      const answer = await api.json('/api/auth/login', { email, password: sent });
      expect([answer.status, answer.body]).toEqual([
        401,
        { message: 'Invalid credentials', detail: 'Invalid credentials' },
      ]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="millrace"');
    }
  });

  test.each([
    ['{"email":"no-address","password":"long enough"}', 'email is not an e-mail address'],
    ['{"email":"a@b.test"}', 'password is missing'],
    ['{"password":"long enough"}', 'email is missing'],
    ['{"email":["a@b.test"],"password":{"$ne":1}}', 'email is missing; password is missing'],
    ['{"email":"a@b.test","password":"12345"}', 'password has fewer than 6 characters'],
    ['{"email":', 'The body is not valid JSON'],
    ['[]', 'The body has to be a JSON object'],
  ])('%s is 400', async (body, errors) => {
    const answer = await api.json('/api/auth/login', body);
    expect([answer.status, answer.body]).toEqual([
      400,
      { message: 'Invalid request data', detail: 'Invalid request data', errors },
    ]);
  });

  test("a company's password may be as short as its contract allows", async () => {
    const { account } = await company('abc');
    const right = await api.json('/api/auth/login', { email: account.email, password: 'abc' });
    expect(right.status, right.text).toBe(200);
    expect((await api.json('/api/auth/login', { email: account.email, password: 'abd' })).status).toBe(400);
  });
});

describe('POST /api/superadmin/login', () => {
  test('gives eight hours, with the claims of the commerce contract', async () => {
    const { account, password } = await superadmin();
    const fields = { username: account.username ?? '', password };
    for (const answer of [
      await api.json('/api/superadmin/login', fields),
      await api.form('/api/superadmin/login', fields),
    ]) {
      expect(answer.status, answer.text).toBe(200);
      expect(answer.body).toEqual({
        access_token: expect.any(String),
        refresh_token: expect.any(String),
        token_type: 'bearer',
        expires_in: 28_800,
      });
      expect(decodeJwt(answer.body.access_token)).toMatchObject({
        admin_id: account.account_id,
        username: account.username,
        role: 'superadmin',
      });
    }
  });

  test('wrong credentials, and accounts of other kinds, are 401', async () => {
    const { account } = await superadmin();
    const store = await edge();
    for (const fields of [
      { username: account.username, password: randomPassword() },
      { username: uniqueName('nobody'), password: randomPassword() },
      { username: store.account.username, password: store.password },
    ]) {
      const answer = await api.json('/api/superadmin/login', fields);
      expect([answer.status, answer.body]).toEqual([401, { detail: 'Invalid credentials' }]);
    }
  });

  const invalid = (type: string, field: string, msg: string) => ({
    type,
    loc: ['body', field],
    msg,
    input: null,
  });
  test.each([
    [
      {},
      [invalid('missing', 'username', 'Field required'), invalid('missing', 'password', 'Field required')],
    ],
    [{ username: 'root' }, [invalid('missing', 'password', 'Field required')]],
    [
      { username: 'root', password: 12_345_678 },
      [invalid('string_type', 'password', 'Input should be a valid string')],
    ],
  ])('%j is 422 with a list', async (fields, detail) => {
    const answer = await api.json('/api/superadmin/login', fields);
    expect([answer.status, answer.body]).toEqual([422, { detail }]);
  });

  test('what is no JSON is 422 too', async () => {
    const answer = await api.json('/api/superadmin/login', '{');
    expect([answer.status, answer.body.detail[0].type]).toEqual([422, 'json_invalid']);
  });
});

describe('the token endpoints of the photos contract', () => {
  const PATHS = ['/api/v1/token/', '/api/v1/token', '/api/token/', '/api/token'];
  const refreshOf = (path: string) => `${path.replace(/\/$/, '')}/refresh${path.endsWith('/') ? '/' : ''}`;

  test.each(PATHS)('%s gives tokens for an hour and a day, and its refresh rotates them', async (path) => {
    const { account, password } = await edge();
    const fields = { username: account.username ?? '', password };
    const answer = await api.json(path, fields);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toEqual({ refresh: expect.any(String), access: expect.any(String) });
    const claims = decodeJwt(answer.body.access);
    expect(claims).toMatchObject({ user_id: account.account_id, token_type: 'access' });
    expect(Number(claims.exp) - Number(claims.iat)).toBe(3_600);
    const kept = await system.connection.collection('account_sessions').findOne({
      account_id: account.account_id,
    });
    expect(kept?.expires_at - kept?.created_at).toBe(24 * 3_600_000);

    const refreshed = await api.json(refreshOf(path), { refresh: answer.body.refresh });
    expect(refreshed.status, refreshed.text).toBe(200);
    expect(refreshed.body).toEqual({ access: expect.any(String), refresh: expect.any(String) });
    expect(refreshed.body.refresh).not.toBe(answer.body.refresh);
    expect((await api.form(refreshOf(path), { refresh: refreshed.body.refresh })).status).toBe(200);
    expect((await api.form(path, fields)).status).toBe(200);
  });

  test.each(PATHS)('%s refuses in the words of the contract', async (path) => {
    const { account } = await edge();
    const other = await person();
    const refused = { detail: 'No active account found with the given credentials' };
    for (const fields of [
      { username: account.username, password: randomPassword() },
      { username: uniqueName('nobody'), password: randomPassword() },
      { username: other.account.email, password: other.password },
    ]) {
      const answer = await api.json(path, fields);
      expect([answer.status, answer.body]).toEqual([401, refused]);
    }
    const required = ['This field is required.'];
    for (const [fields, body] of [
      [{ password: 'x' }, { username: required }],
      [{}, { username: required, password: required }],
      [
        { username: '', password: null },
        { username: ['This field may not be blank.'], password: ['This field may not be null.'] },
      ],
      [{ username: ['a'], password: 1 }, { username: ['Not a valid string.'] }],
    ]) {
      const answer = await api.json(path, fields);
      expect([answer.status, answer.body]).toEqual([400, body]);
    }
    for (const token of ['nonsense', 'mr_refresh_x', 'eyJhbGciOiJub25lIn0.e30.']) {
      const answer = await api.json(refreshOf(path), { refresh: token });
      expect([answer.status, answer.body]).toEqual([
        401,
        { detail: 'Token is invalid or expired', code: 'token_not_valid' },
      ]);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api"');
    }
    const missing = await api.json(refreshOf(path), {});
    expect([missing.status, missing.body]).toEqual([400, { refresh: required }]);
  });

  test("a person's refresh token is none there, and stays good elsewhere", async () => {
    const { account, password } = await person();
    const { body } = await api.json('/api/auth/login', { email: account.email, password });
    expect((await api.json('/api/token/refresh/', { refresh: body.refresh_token })).status).toBe(401);
    expect((await api.json('/api/auth/refresh', { refresh_token: body.refresh_token })).status).toBe(200);
  });
});

describe('whatever the way in', () => {
  test('a password that was hashed at a lower cost is hashed anew, and others are left alone', async () => {
    const { account, password } = await person();
    const accounts = system.connection.collection<{ _id: string; password_hash: string }>('accounts');
    const hashNow = async () => (await accounts.findOne({ _id: account.account_id }))?.password_hash ?? '';
    const first = await hashNow();
    const logIn = () => api.json('/api/auth/login', { email: account.email, password });
    expect((await logIn()).status).toBe(200);
    expect(await hashNow()).toBe(first);

    const cheap = await hash(password, { memoryCost: 1_024, timeCost: 1, parallelism: 1 });
    await accounts.updateOne({ _id: account.account_id }, { $set: { password_hash: cheap } });
    expect((await logIn()).status).toBe(200);
    expect(await hashNow()).toMatch(/m=19456,p=1,t=2/);
    expect((await logIn()).status).toBe(200);
  });

  test('an unknown name takes as long as a wrong password', async () => {
    const { account } = await person();
    const cost = async (email: string | undefined) => {
      const before = await cpuTicksOf(web.pid);
      for (let attempt = 0; attempt < 9; attempt++) {
        await api.json('/api/auth/login', { email, password: randomPassword() });
      }
      return (await cpuTicksOf(web.pid)) - before;
    };
    const [known, unknown] = [await cost(account.email), await cost(address())];
    // One of them without hashing would take a tenth.
    expect(unknown / known).toBeGreaterThan(0.4);
    expect(unknown / known).toBeLessThan(2.5);
  });

  test('a flood of logins is bounded: some are told to come back, and nothing else stands still', async () => {
    const attempts = Array.from({ length: 120 }, () =>
      api.json('/api/auth/login', { email: address(), password: randomPassword() }),
    );
    expect((await api.get('/healthz')).status).toBe(200);
    const answers = await Promise.all(attempts);
    const refused = answers.filter((answer) => answer.status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer.status === 401).length).toBe(answers.length - refused.length);
    expect(refused.length).toBeLessThan(answers.length);
    for (const answer of refused) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('tried passwords lock the name for a while, the right one too, and the log says so without them', async () => {
    const { account, password } = await person();
    for (let attempt = 0; attempt < 10; attempt++) {
      await api.json('/api/auth/login', { email: account.email, password: randomPassword() });
    }
    const locked = await api.json('/api/auth/login', { email: account.email, password });
    expect(locked.status).toBe(429);
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(locked.body.message).toBe(locked.body.detail);
    expect(web.lines.filter((line) => line.includes('Login refused')).length).toBeGreaterThan(10);
  });

  test('without JWT_SECRET every login says what to set', async () => {
    const bare = await system.startWeb({ JWT_SECRET: '' });
    const without = new AuthApi(bare.url);
    for (const [path, fields, text] of [
      ['/api/auth/login', { email: 'a@b.test', password: 'long enough' }, 'message'],
      ['/api/superadmin/login', { username: 'a', password: 'long enough' }, 'detail'],
      ['/api/v1/token/', { username: 'a', password: 'long enough' }, 'detail'],
      ['/api/token/refresh/', { refresh: 'x' }, 'detail'],
      ['/api/auth/refresh', { refresh_token: 'x' }, 'detail'],
    ] as const) {
      const answer = await without.json(path, fields);
      expect([path, answer.status]).toEqual([path, 503]);
      expect(answer.body[text]).toContain('JWT_SECRET');
    }
    await bare.stop();
  });
});

test('nothing secret stands in any line of the log', () => {
  const log = web.lines.join('\n');
  expect(log).toContain('Login refused');
  expect(secretsSeen.size).toBeGreaterThan(50);
  for (const secret of [...secretsSeen, JWT_SECRET]) {
    // Too short a text turns up by chance.
    if (secret.length > 8) expect(log.includes(secret), secret).toBe(false);
  }
});
