import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { AccountDetails } from '../../src/domain/accounts/account.ts';
import { createPasswordLink } from '../../src/models/accountPasswordLinks.ts';
import { changeAccount, findAccount } from '../../src/models/accounts.ts';
import { type Answer, AuthApi, addAccount, randomPassword, secretsSeen } from '../support/authApi.ts';
import { openMongoLink } from '../support/mongoLink.ts';
import type { TestProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

/** What becomes of a login: continued, ended, and ended by what happens to its account. */
let system: TestSystem;
let web: TestProcess;
let api: AuthApi;

const FIRST = { SUPERADMIN_USERNAME: uniqueName('First'), SUPERADMIN_PASSWORD: randomPassword() };
const JWT_SECRET = randomBytes(32).toString('base64url');

beforeAll(async () => {
  system = await createTestSystem('sessions');
  const started = await system.startWeb({ JWT_SECRET, TRUSTED_PROXIES: '1', ...FIRST });
  web = started;
  api = new AuthApi(started.url);
  await web.line((line) => line.includes('The first superadmin was made'));
});
afterAll(() => system.remove());

const PERSON: AccountDetails = { kind: 'person', roles: ['member'] };

async function loggedIn() {
  const email = `${uniqueName('someone')}@example.test`;
  const { account, password } = await addAccount(system, { ...PERSON, email });
  return { account, email, password, ...(await logIn(email, password)) };
}

async function logIn(email: string, password: string): Promise<{ access: string; refresh: string }> {
  const answer = await api.json('/api/auth/login', { email, password });
  expect(answer.status, answer.text).toBe(200);
  return { access: answer.body.access_token, refresh: answer.body.refresh_token };
}

const refresh = (token: string): Promise<Answer> => api.json('/api/auth/refresh', { refresh_token: token });
const me = (token: string): Promise<Answer> => api.get('/api/auth/me', token);

/** Processes remember an account for a second. */
const untilRefused = (token: string): Promise<Answer> =>
  waitFor('the token is refused', async () => {
    const answer = await me(token);
    return answer.status === 401 ? answer : undefined;
  });

const storedTokens = () =>
  system.connection.collection<{ _id: string; session_id: string; used_at?: Date }>('refresh_tokens');
const idOf = (token: string) => createHash('sha256').update(token).digest('base64url');
const findToken = (token: string) => storedTokens().findOne({ _id: idOf(token) });

/** As if the token had been used so long ago. */
async function ageUse(token: string, milliseconds: number): Promise<void> {
  const used_at = new Date(Date.now() - milliseconds);
  const changed = await storedTokens().updateOne({ _id: idOf(token) }, { $set: { used_at } });
  expect(changed.matchedCount).toBe(1);
}

async function ageUseIfUsed(token: string, milliseconds: number): Promise<void> {
  if ((await findToken(token))?.used_at) await ageUse(token, milliseconds);
}

/** Meanwhile MongoDB refuses to raise the version of the account, which was never raised before. */
async function whileLoginsCannotEnd(accountId: string, work: () => Promise<void>): Promise<void> {
  const require = (validator: object) => system.connection.db?.command({ collMod: 'accounts', validator });
  await require({ $or: [{ _id: { $ne: accountId } }, { token_version: 1 }] });
  try {
    await work();
  } finally {
    await require({});
  }
}

describe('an access token', () => {
  test('says whose it is', async () => {
    const { account, access, email } = await loggedIn();
    const answer = await me(access);
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        account: expect.objectContaining({ id: account.account_id, email, kind: 'person' }),
        scopes: ['credits:read', 'workspace:read', 'workspace:write', 'icons'],
      },
    ]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test('of nobody, or a key in its place, is refused', async () => {
    expect((await api.get('/api/auth/me')).status).toBe(401);
    for (const token of ['nonsense', 'a.b.c', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.']) {
      expect((await me(token)).status).toBe(401);
    }
    expect((await me(system.adminKey)).status).toBe(403);
    const { refresh: token } = await loggedIn();
    expect((await me(token)).status, 'a refresh token is none').toBe(401);
  });
});

describe('a refresh token', () => {
  test('is good for one exchange; its use afterwards ends the session', async () => {
    const first = await loggedIn();
    const second = await refresh(first.refresh);
    expect(second.body).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: 'bearer',
      expires_in: 3_600,
    });
    expect((await me(second.body.access_token)).status).toBe(200);
    const third = await refresh(second.body.refresh_token);
    expect(third.status).toBe(200);

    await ageUse(first.refresh, 11_000);
    const reused = await refresh(first.refresh);
    expect([reused.status, reused.body.status]).toEqual([401, 401]);
    expect((await refresh(third.body.refresh_token)).status, 'the newest one is worth nothing').toBe(401);
    await web.line(
      (line) => line.includes('its session has been ended') && line.includes(first.account.account_id),
    );
    expect((await logIn(first.email, first.password)).access, 'the account is not locked').toEqual(
      expect.any(String),
    );
  });

  test('that is sent twenty times at once is no theft', async () => {
    const { refresh: token } = await loggedIn();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(token)));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    const successors = new Set(answers.map((answer) => answer.body.refresh_token));
    expect(successors.size).toBe(20);
    expect((await refresh([...successors][7] ?? '')).status).toBe(200);
  });

  test('stays good when its exchange came to nothing, however late it is sent again', async () => {
    const { refresh: token } = await loggedIn();
    const require = (validator: object) =>
      system.connection.db?.command({ collMod: 'refresh_tokens', validator });
    const { session_id } = (await findToken(token)) ?? {};
    // There can be no successor.
    await require({ $or: [{ session_id: { $ne: session_id } }, { _id: idOf(token) }] });
    try {
      expect((await refresh(token)).status).toBe(500);
    } finally {
      await require({});
    }
    await ageUseIfUsed(token, 60_000);
    expect((await refresh(token)).status).toBe(200);
  });

  test('is not used up by an exchange that was answered with 503', async () => {
    const { refresh: token } = await loggedIn();
    const { refresh: other } = await loggedIn();
    const link = await openMongoLink(system.mongoUrl);
    onTestFinished(() => link.close());
    const started = await system.startWeb({ JWT_SECRET, TRUSTED_PROXIES: '1', MONGODB_URL: link.url });
    const behindLink = new AuthApi(started.url);
    const send = (refresh_token: string) => behindLink.json('/api/auth/refresh', { refresh_token });
    link.hang();
    expect((await send(token)).status).toBe(503);
    link.release();
    // It goes on as the first one could, and is behind it.
    await waitFor('the process is back', async () => ((await send(other)).status === 200 ? true : undefined));
    await ageUseIfUsed(token, 60_000);
    expect((await send(token)).status).toBe(200);
  });

  test('expires', async () => {
    const { refresh: token } = await loggedIn();
    await system.connection
      .collection<{ _id: string }>('refresh_tokens')
      .updateOne(
        { _id: createHash('sha256').update(token).digest('base64url') },
        { $set: { expires_at: new Date(Date.now() - 1) } },
      );
    expect((await refresh(token)).status).toBe(401);
  });

  test.each([[{}], [{ refresh_token: '' }], [{ refresh_token: 7 }]])('%j is malformed', async (body) => {
    const answer = await api.json('/api/auth/refresh', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].field).toBe('refresh_token');
  });
});

describe('logging out', () => {
  test('ends one session and leaves the others', async () => {
    const { email, password, ...one } = await loggedIn();
    const other = await logIn(email, password);
    expect((await api.json('/api/auth/logout', { refresh_token: one.refresh })).status).toBe(204);
    expect((await refresh(one.refresh)).status).toBe(401);
    expect((await api.json('/api/auth/logout', { refresh_token: one.refresh })).status).toBe(401);
    expect((await refresh(other.refresh)).status).toBe(200);
    expect((await me(other.access)).status).toBe(200);
  });

  test('everywhere ends all of them, and the access tokens too', async () => {
    const { email, password, ...one } = await loggedIn();
    const other = await logIn(email, password);
    expect(
      (await api.json('/api/auth/logout', { refresh_token: one.refresh, everywhere: true })).status,
    ).toBe(204);
    await untilRefused(one.access);
    await untilRefused(other.access);
    expect((await refresh(other.refresh)).status).toBe(401);
    const again = await logIn(email, password);
    expect((await me(again.access)).status).toBe(200);
  });

  test('everywhere can be repeated until all of them have ended', async () => {
    const { account, email, password, ...one } = await loggedIn();
    const other = await logIn(email, password);
    const logOut = () => api.json('/api/auth/logout', { refresh_token: one.refresh, everywhere: true });
    await whileLoginsCannotEnd(account.account_id, async () => {
      expect((await logOut()).status).toBe(500);
    });
    expect((await logOut()).status).toBe(204);
    expect((await refresh(one.refresh)).status).toBe(401);
    expect((await refresh(other.refresh)).status).toBe(401);
    await untilRefused(other.access);
    expect((await logOut()).status).toBe(401);
  });
});

describe('changing the password', () => {
  test('needs the old one, ends every login, and begins a new one', async () => {
    const { email, password, ...one } = await loggedIn();
    const other = await logIn(email, password);
    const next = randomPassword();
    const change = (fields: unknown) => api.json('/api/auth/password', fields, one.access);

    const wrong = await change({ old_password: randomPassword(), new_password: next });
    expect([wrong.status, wrong.body.detail]).toEqual([403, 'The old password is wrong']);
    const short = await change({ old_password: password, new_password: '1234567' });
    expect([short.status, short.body.errors]).toEqual([
      400,
      [{ field: 'new_password', message: 'A password has 8 to 200 characters' }],
    ]);
    expect(
      (await api.json('/api/auth/password', { old_password: password, new_password: next })).status,
    ).toBe(401);

    const changed = await change({ old_password: password, new_password: next });
    expect(changed.status, changed.text).toBe(200);
    expect((await me(changed.body.access_token)).status).toBe(200);
    expect((await refresh(changed.body.refresh_token)).status).toBe(200);
    for (const ended of [one, other]) {
      await untilRefused(ended.access);
      expect((await refresh(ended.refresh)).status).toBe(401);
    }
    expect((await api.json('/api/auth/login', { email, password })).status).toBe(401);
    await logIn(email, next);
  });

  test('is no way to try passwords', async () => {
    const { access, password } = await loggedIn();
    for (let attempt = 0; attempt < 10; attempt++) {
      await api.json(
        '/api/auth/password',
        { old_password: randomPassword(), new_password: 'long enough' },
        access,
      );
    }
    const fields = { old_password: password, new_password: 'long enough' };
    expect((await api.json('/api/auth/password', fields, access)).status).toBe(429);
  });

  test('locks nobody out when the stores cannot carry it out', async () => {
    const { account, access, password } = await loggedIn();
    const fields = { old_password: password, new_password: randomPassword() };
    const change = () => api.json('/api/auth/password', fields, access);
    await whileLoginsCannotEnd(account.account_id, async () => {
      for (let attempt = 0; attempt < 10; attempt++) expect((await change()).status).toBe(500);
    });
    expect((await change()).status).toBe(200);
  });
});

describe('a one-time link', () => {
  async function link(milliseconds = 60_000) {
    const session = await loggedIn();
    const expiresAt = new Date(Date.now() + milliseconds);
    const token = await createPasswordLink(system.connection, session.account.account_id, expiresAt);
    secretsSeen.add(token);
    return { ...session, token };
  }
  const reset = (token: string, password: string) =>
    api.json('/api/auth/password/reset', { token, new_password: password });

  test('leads to a page that sets the password, once', async () => {
    const { email, token, access, refresh: ended, password } = await link();
    const other = await createPasswordLink(
      system.connection,
      (await findByEmail(email)).account_id,
      new Date(Date.now() + 60_000),
    );
    const page = await api.get(`/auth/reset?token=${token}`);
    expect(page.status).toBe(200);
    expect(page.text).toContain(`value="${token}"`);
    expect(page.text).toContain('action="/auth/reset"');
    expect(page.text).not.toContain('<script');
    expect(page.headers.get('referrer-policy')).toBe('no-referrer');
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self'");

    const next = randomPassword();
    const send = (first: string, repeated: string) =>
      api.form('/auth/reset', { token, new_password: first, repeated });
    expect(await send(next, `${next}!`)).toMatchObject({
      status: 400,
      text: expect.stringContaining('differ'),
    });
    expect(await send('1234567', '1234567')).toMatchObject({
      status: 400,
      text: expect.stringContaining('8 to 200 characters'),
    });
    await logIn(email, password);
    expect(await send(next, next)).toMatchObject({
      status: 200,
      text: expect.stringContaining('The password is set'),
    });
    await untilRefused(access);
    expect((await refresh(ended)).status).toBe(401);
    await logIn(email, next);
    expect((await send(next, next)).status).toBe(404);
    expect((await reset(other, randomPassword())).status, 'no older link is left').toBe(404);
  });

  test('raced eight times is used once', async () => {
    const { email, token } = await link();
    const passwords = Array.from({ length: 8 }, () => randomPassword());
    const answers = await Promise.all(passwords.map((password) => reset(token, password)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, ...Array(7).fill(404)]);
    const winner = passwords[answers.findIndex((answer) => answer.status === 204)] ?? '';
    await logIn(email, winner);
  });

  test('expires, and is worth nothing for a disabled account', async () => {
    const late = await link(-1);
    expect((await reset(late.token, randomPassword())).status).toBe(404);
    const disabled = await link();
    await changeAccount(system.connection, disabled.account, { status: 'disabled' });
    expect((await reset(disabled.token, randomPassword())).status).toBe(404);
  });

  test('that nobody made is none', async () => {
    expect((await reset('x'.repeat(43), randomPassword())).status).toBe(404);
    for (const token of ['', 'x', `${'x'.repeat(33)}"><script>`, 'x'.repeat(4_000)]) {
      const page = await api.get(`/auth/reset?token=${encodeURIComponent(token)}`);
      expect(page.status).toBe(404);
      expect(page.text).not.toContain('<script');
    }
    expect((await api.get('/auth/reset')).status).toBe(404);
    expect((await reset('x'.repeat(43), '')).status).toBe(400);
  });

  async function findByEmail(email: string) {
    const found = await system.connection.collection<{ _id: string }>('accounts').findOne({ email });
    return { account_id: found?._id ?? '' };
  }
});

describe('the accounts, for the superadmin', () => {
  let token: string;
  beforeAll(async () => {
    const answer = await api.json('/api/superadmin/login', {
      username: FIRST.SUPERADMIN_USERNAME,
      password: FIRST.SUPERADMIN_PASSWORD,
    });
    expect(answer.status, answer.text).toBe(200);
    token = answer.body.access_token;
  });
  const create = (fields: unknown) => api.json('/api/accounts', fields, token);
  const patch = (id: string, fields: unknown) => api.json(`/api/accounts/${id}`, fields, token, 'PATCH');

  test('are made, shown and changed', async () => {
    const email = `${uniqueName('Made')}@Example.test`;
    const password = randomPassword();
    const made = await create({ kind: 'person', roles: ['seller'], email, first_name: 'An', password });
    expect(made.status, made.text).toBe(201);
    expect(made.headers.get('location')).toBe(`/api/accounts/${made.body.id}`);
    expect(made.body).toMatchObject({ email: email.toLowerCase(), roles: ['seller'], status: 'active' });
    expect(made.text).not.toContain('argon2');
    await logIn(email, password);

    const changed = await patch(made.body.id, {
      roles: ['admin', 'member'],
      first_name: null,
      usage_user_id: 9,
      credits_user_id: 'c-9',
    });
    expect([changed.status, changed.body]).toMatchObject([
      200,
      { roles: ['admin', 'member'], first_name: null, usage_user_id: 9, credits_user_id: 'c-9' },
    ]);
    const shown = await api.get(`/api/accounts/${made.body.id}`, token);
    expect([shown.status, shown.body]).toEqual([200, changed.body]);
    expect((await api.get('/api/accounts/nobody', token)).status).toBe(404);
    expect((await patch('nobody', { roles: [] })).status).toBe(404);
  });

  test('an account without a password cannot log in', async () => {
    const email = `${uniqueName('none')}@example.test`;
    expect((await create({ kind: 'person', roles: ['member'], email })).status).toBe(201);
    expect((await api.json('/api/auth/login', { email, password: '        ' })).status).toBe(401);
  });

  test('disabling ends every login at once, also after enabling again', async () => {
    const { account, email, password, access, refresh: ended } = await loggedIn();
    expect((await patch(account.account_id, { status: 'disabled' })).body.status).toBe('disabled');
    await untilRefused(access);
    expect((await refresh(ended)).status).toBe(401);
    expect((await api.json('/api/auth/login', { email, password })).status).toBe(401);
    expect((await patch(account.account_id, { status: 'active' })).status).toBe(200);
    expect((await me(access)).status).toBe(401);
    expect((await refresh(ended)).status).toBe(401);
    await logIn(email, password);
  });

  test('a changed role changes what a token may do', async () => {
    const { account, access } = await loggedIn();
    expect((await patch(account.account_id, { roles: ['admin'] })).status).toBe(200);
    await waitFor('the scopes of an admin', async () =>
      (await me(access)).body.scopes.includes('operations') ? true : undefined,
    );
  });

  test.each([
    [{ kind: 'person', email: 'a@b.test' }, ['roles']],
    [{ kind: 'person', roles: ['member'] }, ['email']],
    [{ kind: 'person', roles: ['member'], email: 'nonsense' }, ['email']],
    [{ kind: 'company', email: 'a@b.test' }, ['company_name']],
    [{ kind: 'edge' }, ['username']],
    [{ kind: 'edge', username: ' ' }, ['username']],
    [{ kind: 'superadmin', username: 'x', roles: ['admin'], store_id: 's' }, ['roles', 'store_id']],
    [{ kind: 'edge', username: 'x', password: 'short' }, ['password']],
    [{ kind: 'emperor', username: 'x' }, ['kind']],
    [{ kind: 'edge', username: 'x', usage_user_id: 0 }, ['usage_user_id']],
    [{ kind: 'edge', username: 'x', token_version: 5 }, ['']],
  ])('%j is no account', async (fields, wrong) => {
    const answer = await create(fields);
    expect([answer.status, answer.text]).toEqual([400, expect.any(String)]);
    expect(answer.body.errors.map((problem: { field: string }) => problem.field)).toEqual(wrong);
  });

  test('two cannot have one address or user name, whatever the case', async () => {
    const email = `${uniqueName('Same')}@example.test`;
    const username = uniqueName('Same');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        create({ kind: 'person', roles: ['member'], email: index % 2 ? email : email.toUpperCase() }),
      ),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(9).fill(409)]);
    expect((await create({ kind: 'edge', username })).status).toBe(201);
    const taken = await create({ kind: 'edge', username: username.toUpperCase() });
    expect([taken.status, taken.body.detail]).toEqual([409, 'Another account has this username already']);
    const { account } = await loggedIn();
    expect((await patch(account.account_id, { email })).status).toBe(409);
    expect((await findAccount(system.connection, account.account_id))?.email).toBe(account.email);
    expect((await patch(account.account_id, { email: null })).status, 'it logs in with it').toBe(400);
  });

  test('are listed in pages', async () => {
    const all: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 100; pages++) {
      const answer = await api.get(`/api/accounts?kind=person&limit=3${cursor}`, token);
      expect(answer.status, answer.text).toBe(200);
      all.push(...answer.body.accounts.map((account: { id: string }) => account.id));
      if (answer.body.next_cursor === null) break;
      cursor = `&cursor=${answer.body.next_cursor}`;
    }
    const stored = await system.connection
      .collection<{ _id: string }>('accounts')
      .find({ kind: 'person' })
      .sort({ created_at: 1, _id: 1 })
      .toArray();
    expect(stored.length).toBeGreaterThan(6);
    expect(all).toEqual(stored.map((account) => account._id));
    for (const query of ['limit=0', 'kind=x', 'cursor=x', 'status=x']) {
      expect((await api.get(`/api/accounts?${query}`, token)).status).toBe(400);
    }
  });

  test('are for nobody else', async () => {
    const { access } = await loggedIn();
    const admin = await addAccount(system, {
      kind: 'person',
      roles: ['admin'],
      email: `${uniqueName('admin')}@example.test`,
    });
    const { access: adminsToken } = await logIn(admin.account.email ?? '', admin.password);
    for (const other of [access, adminsToken]) {
      expect((await api.get('/api/accounts', other)).status).toBe(403);
      expect((await api.json('/api/accounts', { kind: 'superadmin', username: 'x' }, other)).status).toBe(
        403,
      );
      const own = `/api/accounts/${admin.account.account_id}`;
      expect((await api.json(own, { roles: ['admin'] }, other, 'PATCH')).status).toBe(403);
    }
    expect((await api.get('/api/accounts')).status).toBe(401);
    expect((await api.get('/api/accounts', system.adminKey)).status).toBe(200);
  });
});

test('what was done with power stands in the audit log, and nothing secret in it or in the log', async () => {
  const audited = await waitFor('the entries', async () => {
    const entries = await system.connection.collection('audit_log').find().toArray();
    return entries.some((entry) => entry.action === 'account.change') ? entries : undefined;
  });
  const actions = new Set(audited.map((entry) => entry.action));
  for (const action of [
    'superadmin.login',
    'account.create',
    'account.change',
    'account.password',
    'account.password-reset',
  ]) {
    expect([...actions]).toContain(action);
  }
  expect(audited.every((entry) => entry.who.startsWith('account:') || entry.who === 'operator')).toBe(true);

  const written = `${JSON.stringify(audited)}\n${web.lines.join('\n')}`;
  const stored = JSON.stringify(
    await Promise.all(
      ['accounts', 'account_sessions', 'refresh_tokens', 'account_password_links'].map((name) =>
        system.connection.collection(name).find().toArray(),
      ),
    ),
  );
  expect(secretsSeen.size).toBeGreaterThan(100);
  for (const secret of [...secretsSeen, JWT_SECRET]) {
    expect(written.includes(secret), `${secret} in the log`).toBe(false);
    expect(stored.includes(secret), `${secret} in the database`).toBe(false);
  }
});
