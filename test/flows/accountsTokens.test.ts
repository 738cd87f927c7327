import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { changeAccount } from '../../src/models/accounts.ts';
import { AuthApi, addAccount } from '../support/authApi.ts';
import { inTime } from '../support/inTime.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** Tokens over several processes: of a secret that was rotated, and of an outside issuer. */
let system: TestSystem;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let issuer: Server;
let rotated: AuthApi;

const ISSUER = 'https://id.example.test/';
const [OLD, NEW] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];

beforeAll(async () => {
  system = await createTestSystem('tokens');
  keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256' };
  issuer = createServer((_request, response) => void response.end(JSON.stringify({ keys: [jwk] })));
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const address = issuer.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const web = await system.startWeb({
    JWT_SECRET: NEW,
    JWT_PREVIOUS_SECRET: OLD,
    JWT_ISSUER: ISSUER,
    JWT_ISSUER_JWKS_URL: `http://127.0.0.1:${port}/keys`,
  });
  rotated = new AuthApi(web.url);
});
afterAll(async () => {
  issuer.close();
  await system.remove();
});

const newPerson = () =>
  addAccount(system, { kind: 'person', roles: ['member'], email: `${uniqueName('a')}@example.test` });

test('rotating the secret logs nobody out, and a process without the old one refuses its tokens', async () => {
  const { account, password } = await newPerson();
  const credentials = { email: account.email, password };
  const [before, after] = [
    await system.startWeb({ JWT_SECRET: OLD }),
    await system.startWeb({ JWT_SECRET: NEW }),
  ];
  onTestFinished(async () => {
    await Promise.all([before.stop(), after.stop()]);
  });
  const login = await new AuthApi(before.url).json('/api/auth/login', credentials);
  const { access_token: old, refresh_token: refresh } = login.body;
  expect((await rotated.get('/api/auth/me', old)).status).toBe(200);
  expect((await new AuthApi(after.url).get('/api/auth/me', old)).status).toBe(401);
  // The session does not depend on the secret.
  const refreshed = await new AuthApi(after.url).json('/api/auth/refresh', { refresh_token: refresh });
  expect((await new AuthApi(after.url).get('/api/auth/me', refreshed.body.access_token)).status).toBe(200);
  expect((await new AuthApi(before.url).get('/api/auth/me', refreshed.body.access_token)).status).toBe(401);
});

test('a token is refused when it has expired, and when its account is another by now', async () => {
  const { account } = await newPerson();
  const now = Math.floor(Date.now() / 1_000);
  const make = (claims: object) =>
    new SignJWT({ sub: account.account_id, kind: 'person', tv: 1, exp: now + 60, ...claims })
      .setProtectedHeader({ alg: 'HS256', kid: createHash('sha256').update(NEW).digest('hex').slice(0, 8) })
      .setIssuer('millrace')
      .setAudience('millrace')
      .sign(Buffer.from(NEW));
  const ask = async (claims: object) => rotated.get('/api/auth/me', await make(claims));
  expect((await ask({})).status).toBe(200);
  const expired = await ask({ exp: now - 60 });
  expect([expired.status, expired.body.detail]).toEqual([401, 'The credential has expired']);
  for (const claims of [
    { tv: 0 },
    { tv: 2 },
    { kind: 'superadmin' },
    { sub: 'nobody' },
    { exp: undefined },
  ]) {
    expect([claims, (await ask(claims)).status]).toEqual([claims, 401]);
  }
});

test("an outside issuer's token is for the account with the verified address, while it is active", async () => {
  const { account } = await newPerson();
  const sign = (email: string | undefined) =>
    new SignJWT({ email, email_verified: true })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(ISSUER)
      .setAudience('millrace')
      .setExpirationTime('5m')
      .sign(keys.privateKey);
  const token = await sign(account.email?.toUpperCase());
  const answer = await rotated.get('/api/auth/me', token);
  expect([answer.status, answer.body?.account?.id]).toEqual([200, account.account_id]);
  expect((await rotated.get('/api/auth/me', await sign('stranger@example.test'))).status).toBe(401);
  const other = await newPerson();
  await changeAccount(system.connection, other.account, { status: 'disabled' });
  expect((await rotated.get('/api/auth/me', await sign(other.account.email))).status).toBe(401);
});

test('with MongoDB away everything about accounts is 503 within two seconds', async () => {
  const web = startProcess('src/api/main.ts', {
    ...system.environment,
    MONGODB_URL: 'mongodb://127.0.0.1:9/nothing',
    JWT_SECRET: NEW,
  });
  onTestFinished(() => web.stop());
  const { address } = JSON.parse(await web.line((line) => line.includes('The API listens')));
  const api = new AuthApi(address);
  const { account, password } = await newPerson();
  const login = await rotated.json('/api/auth/login', { email: account.email, password });
  const asks = [
    () => api.json('/api/auth/login', { email: account.email, password }),
    () => api.json('/api/superadmin/login', { username: 'x', password }),
    () => api.json('/api/v1/token/', { username: 'x', password }),
    () => api.json('/api/v1/token/refresh/', { refresh: 'x' }),
    () => api.json('/api/auth/refresh', { refresh_token: login.body.refresh_token }),
    () => api.json('/api/auth/logout', { refresh_token: login.body.refresh_token }),
    () => api.json('/api/auth/password/reset', { token: 'x', new_password: password }),
    () => api.get('/api/auth/me', login.body.access_token),
    () => api.get('/api/accounts', system.adminKey),
  ];
  for (const ask of asks) {
    const answer = await inTime(ask);
    expect([answer.status, answer.text]).toEqual([503, expect.any(String)]);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
});
