import { createSecretKey, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import type { Account } from '../../src/domain/accounts/account.ts';
import type { Scope } from '../../src/domain/accounts/scopes.ts';
import { createAccount, endLogins } from '../../src/models/accounts.ts';
import { createApiKey, revokeApiKey } from '../../src/models/apiKeys.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { type AccessProcess, keyIdOf, startAccessServer, unsignedToken } from './accessProcess.ts';

const SECRET = randomBytes(32).toString('base64url');
const SHARED_KEY = randomBytes(24).toString('base64url');

type Headers = Readonly<Record<string, string>>;

let system: TestSystem;
let server: AccessProcess;
let tokens: AccessTokens;
/** Everything that was sent to prove something. Nothing of it may be printed. */
const secrets = new Set<string>();

beforeAll(async () => {
  system = await createTestSystem('access');
  const environment = { ...system.environment, JWT_SECRET: SECRET, PENORA_API_KEY: SHARED_KEY };
  server = await startAccessServer(environment);
  const opened = AccessTokens.open(readEnvironment(environment));
  if (!opened) throw new Error('There are no tokens');
  tokens = opened;
});
afterAll(async () => {
  server.kill('SIGKILL');
  await server.exited;
  await system.remove();
});

async function post(path: string, headers: Headers, body = '{}') {
  for (const secret of Object.values(headers)) secrets.add(secret.replace(/^(Bearer|Basic) /, ''));
  const response = await fetch(`${server.url}${path}`, { method: 'POST', headers, body });
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    body: await response.json(),
  };
}

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });

function addAccount(kind: 'superadmin' | 'company' | 'edge' | 'member'): Promise<Account> {
  const email = `${uniqueName(kind)}@example.test`;
  if (kind === 'company')
    return createAccount(system.connection, { kind, roles: [], email, company_name: 'Mill' });
  if (kind === 'member')
    return createAccount(system.connection, { kind: 'person', roles: ['member'], email });
  return createAccount(system.connection, { kind, roles: [], username: uniqueName(kind) });
}

async function tokenOf(account: Account): Promise<string> {
  return (await tokens.issue(account)).token;
}

async function keyWith(scopes: readonly Scope[], expiresAt: Date | null = null) {
  const made = await createApiKey(system.connection, {
    name: uniqueName('key'),
    scopes,
    expires_at: expiresAt,
    rate_limit_per_minute: null,
    created_by: 'operator',
  });
  return { id: made.apiKey.key_id, text: made.text };
}

/** Signed like one of ours, with another secret or other claims. */
async function forge(account: Account, secret: string, expiresIn: number): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ kind: account.kind, tv: account.token_version, role: 'superadmin' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: keyIdOf(SECRET) })
    .setSubject(account.account_id)
    .setIssuer('millrace')
    .setAudience('millrace')
    .setIssuedAt(now - 10_000)
    .setExpirationTime(now + expiresIn)
    .sign(createSecretKey(Buffer.from(secret)));
}

const CREDITS = {
  status: 401,
  body: {
    success: false,
    error: 'Invalid or missing API key. Include X-API-Key header or api_key parameter.',
  },
};
const PHOTOS_MISSING = {
  status: 401,
  challenge: 'Bearer realm="api"',
  body: { detail: 'Authentication credentials were not provided.' },
};
const PHOTOS_BAD = {
  status: 401,
  challenge: 'Bearer realm="api"',
  body: {
    detail: 'Given token not valid for any token type',
    code: 'token_not_valid',
    messages: [{ token_class: 'AccessToken', token_type: 'access', message: 'Token is invalid or expired' }],
  },
};
const icons = (error: string) => ({
  status: 401,
  body: { message: 'Authentication required', error, msg: error },
});
const ICONS_MISSING = icons('Missing or invalid authorization header');
const ICONS_BAD = icons('Invalid or expired token');
const commerce = (status: number, detail: string) => ({ status, body: { detail } });
const usage = (status: number, text: RegExp) => ({
  status,
  body: { status: 'error', message: expect.stringMatching(text) },
});
const login = (status: number, text: RegExp) => ({
  status,
  body: { message: expect.stringMatching(text), detail: expect.stringMatching(text) },
});
const problem = (status: number, text: RegExp, challenge: string) => ({
  status,
  challenge: `Bearer realm="millrace"${challenge}`,
  body: expect.objectContaining({
    type: 'about:blank',
    status,
    detail: expect.stringMatching(text),
    instance: '/problem',
  }),
});

/** Every way of not getting in, and what each family says to it. */
const INVALID = ', error="invalid_token"';
const MISSING = {
  usage: usage(401, /needs a credential/),
  credits: CREDITS,
  icons: ICONS_MISSING,
  commerce: commerce(403, 'Not authenticated'),
  photos: PHOTOS_MISSING,
  login: login(401, /needs a credential/),
  problem: problem(401, /needs a credential/, ''),
};
const OTHER_SCHEME = {
  ...MISSING,
  usage: usage(401, /scheme Bearer/),
  commerce: commerce(403, 'Invalid authentication credentials'),
  login: login(401, /scheme Bearer/),
  problem: problem(401, /scheme Bearer/, ''),
};
const BAD = {
  usage: usage(401, /not valid/),
  credits: CREDITS,
  icons: ICONS_BAD,
  commerce: commerce(401, 'Invalid token'),
  photos: PHOTOS_BAD,
  login: login(401, /not valid/),
  problem: problem(401, /not valid/, INVALID),
};
const EXPIRED = {
  ...BAD,
  usage: usage(401, /expired/),
  commerce: commerce(401, 'Token expired'),
  login: login(401, /expired/),
  problem: problem(401, /expired/, INVALID),
};
const REVOKED = {
  ...BAD,
  usage: usage(401, /revoked/),
  login: login(401, /revoked/),
  problem: problem(401, /revoked/, INVALID),
};
const LACKING = {
  usage: usage(403, /the scope usage:read/),
  credits: CREDITS,
  icons: { status: 403, body: expect.objectContaining({ message: 'Access denied' }) },
  commerce: commerce(403, 'Superadmin access required'),
  photos: PHOTOS_BAD,
  login: login(403, /access token of an account/),
  problem: problem(403, /the scope usage:write/, ', error="insufficient_scope", scope="usage:write"'),
};
type Refusals = Readonly<Record<keyof typeof MISSING, object>>;

async function expectRefused(headers: Headers, refusals: Partial<Refusals>): Promise<void> {
  for (const [family, refusal] of Object.entries(refusals)) {
    // The body is no JSON: who calls is asked before anything else.
    const answer = await post(`/${family}`, headers, 'not { json');
    expect({ family, ...answer }).toEqual(expect.objectContaining({ family, ...refusal }));
  }
}

describe('what each family says to', () => {
  test('no credential', () => expectRefused({}, MISSING));

  test('another scheme than Bearer', () =>
    expectRefused({ authorization: 'Basic dXNlcjpwYXNzd29yZA==' }, OTHER_SCHEME));

  test('text that is nothing', async () => {
    await expectRefused(bearer('not-a-token-of-anybody'), BAD);
    await expectRefused({ 'x-api-key': 'not-a-key-of-anybody' }, BAD);
    await expectRefused(bearer(`mrk_0123456789abcdef_${'A'.repeat(43)}`), BAD);
  });

  test('a token that is signed with another key', async () => {
    await expectRefused(
      bearer(await forge(await addAccount('superadmin'), randomBytes(32).toString('hex'), 3_600)),
      BAD,
    );
  });

  test.each(['none', 'None', 'NONE'])('a token with alg %s', async (alg) => {
    const account = await addAccount('superadmin');
    const claims = {
      sub: account.account_id,
      kind: 'superadmin',
      tv: 1,
      iss: 'millrace',
      aud: 'millrace',
      exp: Math.floor(Date.now() / 1_000) + 3_600,
    };
    for (const header of [
      { alg, typ: 'JWT' },
      { alg, typ: 'JWT', kid: keyIdOf(SECRET) },
    ]) {
      await expectRefused(bearer(unsignedToken(header, claims)), BAD);
    }
  });

  test('an expired token', async () => {
    await expectRefused(bearer(await forge(await addAccount('superadmin'), SECRET, -60)), EXPIRED);
  });

  test('a token whose account was disabled or logged out everywhere', async () => {
    const [disabled, loggedOut] = [await addAccount('superadmin'), await addAccount('superadmin')];
    const sent = [await tokenOf(disabled), await tokenOf(loggedOut)];
    await system.connection
      .collection<{ _id: string }>('accounts')
      .updateOne({ _id: disabled.account_id }, { $set: { status: 'disabled' } });
    await endLogins(system.connection, loggedOut.account_id);
    for (const token of sent) await expectRefused(bearer(token), BAD);
  });

  test('a token of another role', async () => {
    const { photos: _photos, login: _login, ...others } = LACKING;
    await expectRefused(bearer(await tokenOf(await addAccount('edge'))), others);
    const { photos, credits, commerce: ofCommerce, problem: ofProblem } = LACKING;
    const refusals = { photos, credits, commerce: ofCommerce, problem: ofProblem };
    await expectRefused(bearer(await tokenOf(await addAccount('company'))), refusals);
    await expectRefused(bearer(await tokenOf(await addAccount('member'))), refusals);
  });

  test('a revoked key', async () => {
    const key = await keyWith([
      'usage:read',
      'credits:write',
      'icons',
      'administration',
      'photos',
      'usage:write',
    ]);
    await revokeApiKey(system.connection, key.id);
    await expectRefused({ 'x-api-key': key.text }, REVOKED);
    await expectRefused(bearer(key.text), REVOKED);
  });

  test('an expired key', async () => {
    const key = await keyWith(
      ['usage:read', 'credits:write', 'icons', 'administration', 'photos', 'usage:write'],
      new Date(Date.now() - 1_000),
    );
    await expectRefused({ 'x-api-key': key.text }, EXPIRED);
  });

  test('a key without the scope', async () => {
    await expectRefused({ 'x-api-key': (await keyWith(['webhooks'])).text }, LACKING);
  });

  test('the id of a key with another secret', async () => {
    const key = await keyWith([
      'usage:read',
      'credits:write',
      'icons',
      'administration',
      'photos',
      'usage:write',
    ]);
    const guessed = `${key.text.slice(0, -4)}${key.text.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    await expectRefused({ 'x-api-key': guessed }, BAD);
  });

  test('the shared key of the credits contract, outside of credits and workspace', async () => {
    const { credits: _credits, ...others } = LACKING;
    await expectRefused({ 'x-api-key': SHARED_KEY }, others);
  });
});

describe('who gets in', () => {
  test("the operator's key, everywhere that takes a key", async () => {
    for (const headers of [bearer(system.adminKey), { 'x-api-key': system.adminKey }]) {
      for (const family of ['usage', 'credits', 'icons', 'commerce', 'photos', 'problem']) {
        expect(await post(`/${family}`, headers)).toMatchObject({
          status: 200,
          body: { caller: 'operator' },
        });
      }
    }
  });

  test('accounts by their roles', async () => {
    const [superadmin, edge, member] = [
      await addAccount('superadmin'),
      await addAccount('edge'),
      await addAccount('member'),
    ];
    const expectIn = async (account: Account, families: readonly string[]) => {
      const token = await tokenOf(account);
      for (const family of families) {
        expect([family, await post(`/${family}`, bearer(token))]).toMatchObject([
          family,
          { status: 200, body: { caller: `account:${account.account_id}` } },
        ]);
      }
    };
    await expectIn(superadmin, ['usage', 'commerce', 'photos', 'login']);
    await expectIn(edge, ['photos', 'login']);
    await expectIn(member, ['icons', 'login']);
  });

  test('a key for what it may, in either header; in the query for credits only', async () => {
    const key = await keyWith(['credits:write', 'usage:write']);
    const expected = { status: 200, body: { caller: `api-key:${key.id}` } };
    expect(await post('/credits', { 'x-api-key': key.text })).toMatchObject(expected);
    expect(await post('/problem', bearer(key.text))).toMatchObject(expected);
    secrets.add(key.text);
    expect(await post(`/credits?user_id=u-1&api_key=${key.text}`, {})).toMatchObject(expected);
    expect(await post(`/problem?api_key=${key.text}`, {})).toMatchObject({ status: 401 });
  });

  test('the shared key of the environment, in the header and in the query', async () => {
    secrets.add(SHARED_KEY);
    expect(await post('/credits', { 'x-api-key': SHARED_KEY })).toMatchObject({
      body: { caller: 'shared-key' },
    });
    expect(await post(`/credits?api_key=${SHARED_KEY}`, {})).toMatchObject({
      body: { caller: 'shared-key' },
    });
    expect(await post(`/credits?api_key=${SHARED_KEY}x`, {})).toMatchObject({ status: 401 });
  });

  test('an account whose token comes beside a key that may not', async () => {
    const headers = { ...bearer(await tokenOf(await addAccount('superadmin'))), 'x-api-key': SHARED_KEY };
    expect(await post('/commerce', headers)).toMatchObject({ status: 200 });
    expect(await post('/credits', headers)).toMatchObject({ status: 200, body: { caller: 'shared-key' } });
  });

  test('a good key beside an Authorization header that is meant for somebody else', async () => {
    for (const authorization of ['Bearer of-another-system', 'Basic dXNlcjpwYXNzd29yZA==']) {
      expect(await post('/credits', { authorization, 'x-api-key': SHARED_KEY })).toMatchObject({
        status: 200,
      });
    }
  });
});

test('an account asks for its own credits and projects only, unless it is an admin', async () => {
  const add = (role: 'member' | 'seller' | 'admin', userId?: string) =>
    createAccount(system.connection, {
      kind: 'person',
      roles: [role],
      email: `${uniqueName(role)}@example.test`,
      ...(userId === undefined ? {} : { credits_user_id: userId }),
    });
  const member = bearer(await tokenOf(await add('member', 'c-1')));
  for (const path of ['/own', '/own-contract']) {
    expect(await post(`${path}?user_id=c-1`, member)).toMatchObject({ status: 200 });
    for (const query of ['?user_id=c-2', '', '?user_id=c-1&user_id=c-2', '?user_id=', '?user_id[]=c-1']) {
      const refused = await post(`${path}${query}`, member, '{"user_id":"c-1"}');
      const expected = path === '/own' ? { status: 403 } : CREDITS;
      expect([query, refused]).toMatchObject([query, expected]);
    }
  }
  expect(await post('/somebody?user_id=c-1', member)).toMatchObject({ status: 403 });
  const seller = bearer(await tokenOf(await add('seller')));
  expect(await post('/own?user_id=c-1', seller)).toMatchObject({ status: 403 });
  expect(await post('/own?user_id=', seller)).toMatchObject({ status: 403 });
  for (const trusted of [await add('admin', 'c-3'), await addAccount('superadmin')]) {
    expect(await post('/own?user_id=c-1', bearer(await tokenOf(trusted)))).toMatchObject({ status: 200 });
  }
});

test('a key in the query is in no answer and in no line, whatever goes wrong with the request', async () => {
  const key = await keyWith(['credits:write']);
  secrets.add(key.text);
  const paths = ['/credits', '/nowhere', '/problem', '/credits/%ZZ'];
  for (const path of paths) {
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const answer = await fetch(`${server.url}${path}?api_key=${key.text}`, { method });
      expect(await answer.text()).not.toContain(key.text);
    }
  }
});

test('every refusal was logged, and no secret with it', async () => {
  await server.line((line) => line.includes('Access refused') && line.includes('"reason":"revoked"'));
  await post('/open', {});
  await server.line((line) => line.includes('"path":"/open"'));
  const output = server.lines.join('\n');
  for (const reason of ['missing', 'other-scheme', 'bad', 'expired', 'revoked', 'lacking']) {
    expect(output).toContain(`"reason":"${reason}"`);
  }
  expect(secrets.size).toBeGreaterThan(15);
  for (const secret of [...secrets, SECRET]) expect(output).not.toContain(secret);
});

describe('when something is away', () => {
  test('without MongoDB nobody is let in on trust, and the keys of the environment still work', async () => {
    const alone = await startAccessServer({
      ...system.environment,
      MONGODB_URL: 'mongodb://127.0.0.1:1/nothing',
      JWT_SECRET: SECRET,
    });
    try {
      const ask = async (headers: Headers) =>
        (await fetch(`${alone.url}/problem`, { method: 'POST', headers })).status;
      expect(await ask(bearer((await keyWith(['usage:write'])).text))).toBe(503);
      expect(await ask(bearer(await tokenOf(await addAccount('superadmin'))))).toBe(503);
      expect(await ask({ 'x-api-key': system.adminKey })).toBe(200);
      expect(await ask({ 'x-api-key': 'nobody' })).toBe(401);
    } finally {
      alone.kill('SIGKILL');
      await alone.exited;
    }
  });

  test('with no key and no secret configured everything is refused', async () => {
    const { ADMIN_API_KEY: _operator, ...environment } = system.environment;
    const bare = await startAccessServer(environment);
    try {
      for (const headers of [{}, { 'x-api-key': '' }, { 'x-api-key': 'undefined' }, bearer('undefined')]) {
        const answer = await fetch(`${bare.url}/credits`, { method: 'POST', headers });
        expect([answer.status, await answer.json()]).toEqual([401, CREDITS.body]);
      }
      const token = await tokenOf(await addAccount('superadmin'));
      expect((await fetch(`${bare.url}/login`, { method: 'POST', headers: bearer(token) })).status).toBe(401);
    } finally {
      bare.kill('SIGKILL');
      await bare.exited;
    }
  });
});
