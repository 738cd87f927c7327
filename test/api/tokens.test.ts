import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { AccessTokens } from '../../src/api/tokens/accessTokens.ts';
import type { Account } from '../../src/domain/accounts/account.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { inTime } from '../support/inTime.ts';

const secret = () => randomBytes(32).toString('base64url');
const SECRET = secret();

function open(variables: Readonly<Record<string, string>> = {}): AccessTokens {
  const tokens = AccessTokens.open(
    readEnvironment({ REDIS_URL: 'redis://h', MONGODB_URL: 'mongodb://h', JWT_SECRET: SECRET, ...variables }),
  );
  if (!tokens) throw new Error('There are no tokens');
  return tokens;
}

const account: Account = {
  account_id: 'an-account',
  kind: 'person',
  roles: ['member'],
  status: 'active',
  email: 'a@example.test',
  token_version: 3,
  created_at: new Date(),
  updated_at: new Date(),
};
const VALID = {
  kind: 'valid',
  claims: { issuer: 'own', account_id: 'an-account', account_kind: 'person', token_version: 3 },
};

/** A token made by hand, signed with the secret by the algorithm of its header. */
function forge(header: object, payload: object, key = SECRET, hash = 'sha256'): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}

async function parts(): Promise<{ header: Record<string, unknown>; payload: Record<string, unknown> }> {
  const [header = '', payload = ''] = (await open().issue(account)).token.split('.');
  const read = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
  return { header: read(header), payload: read(payload) };
}

describe('own tokens', () => {
  test('are good until they expire', async () => {
    const { token, expiresIn } = await open().issue(account);
    expect(expiresIn).toBe(3_600);
    expect(await open().verify(token)).toEqual(VALID);
    const { header, payload } = await parts();
    const now = Math.floor(Date.now() / 1_000);
    expect(await open().verify(forge(header, payload)), 'the forge makes good ones').toEqual(VALID);
    expect(await open().verify(forge(header, { ...payload, exp: now - 60 }))).toEqual({ kind: 'expired' });
    expect(await open().verify(forge(header, { ...payload, exp: now - 2 })), 'clocks differ').toEqual(VALID);
  });

  test('survive one rotation of the secret, and no second one', async () => {
    const [one, two, three] = [secret(), secret(), secret()];
    const { token } = await open({ JWT_SECRET: one }).issue(account);
    const rotated = open({ JWT_SECRET: two, JWT_PREVIOUS_SECRET: one });
    expect(await rotated.verify(token)).toEqual(VALID);
    const { token: newer } = await rotated.issue(account);
    expect(await open({ JWT_SECRET: two }).verify(newer)).toEqual(VALID);
    expect(await open({ JWT_SECRET: two }).verify(token)).toEqual({ kind: 'invalid' });
    const again = open({ JWT_SECRET: three, JWT_PREVIOUS_SECRET: two });
    expect([await again.verify(token), await again.verify(newer)]).toEqual([{ kind: 'invalid' }, VALID]);
  });

  test('that somebody else made, or changed, are not good', async () => {
    const { header, payload } = await parts();
    const unsigned = (alg: string) => {
      const [, body] = forge(header, payload).split('.');
      return `${Buffer.from(JSON.stringify({ ...header, alg })).toString('base64url')}.${body}.`;
    };
    const { exp: _, ...endless } = payload;
    const bad: Record<string, string> = {
      'alg none': unsigned('none'),
      'alg None': unsigned('None'),
      'no signature': unsigned('HS256'),
      'another key': forge(header, payload, secret()),
      'another key under its own id': forge({ ...header, kid: 'deadbeef' }, payload, secret()),
      'no key id': forge({ alg: 'HS256' }, payload),
      'a key id that is a property of every object': forge({ ...header, kid: '__proto__' }, payload),
      HS512: forge({ ...header, alg: 'HS512' }, payload, SECRET, 'sha512'),
      'another issuer': forge(header, { ...payload, iss: 'somebody' }),
      'another audience': forge(header, { ...payload, aud: 'somebody' }),
      'without an end': forge(header, endless),
      'an end that is a text': forge(header, { ...payload, exp: 'tomorrow' }),
      'not yet valid': forge(header, { ...payload, nbf: Math.floor(Date.now() / 1_000) + 600 }),
      'no subject': forge(header, { ...payload, sub: undefined }),
      'an unknown kind': forge(header, { ...payload, kind: 'emperor' }),
      'no version': forge(header, { ...payload, tv: undefined }),
      'a critical extension': forge({ ...header, crit: ['b64'], b64: false }, payload),
      'not a token': 'a.b.c',
      'two parts': 'e30.e30',
      nothing: '',
    };
    for (const [what, token] of Object.entries(bad)) {
      expect([what, await open().verify(token)]).toEqual([what, { kind: 'invalid' }]);
    }
    const good = forge(header, payload);
    const [head, , signature] = good.split('.');
    const raised = Buffer.from(JSON.stringify({ ...payload, kind: 'superadmin' })).toString('base64url');
    expect(await open().verify(`${head}.${raised}.${signature}`)).toEqual({ kind: 'invalid' });
  });

  test('are not made without a secret', () => {
    expect(
      AccessTokens.open(readEnvironment({ REDIS_URL: 'redis://h', MONGODB_URL: 'mongodb://h' })),
    ).toBeUndefined();
  });
});

describe('tokens of an outside issuer', () => {
  const ISSUER = 'https://id.example.test/';
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let server: Server;
  let fetches = 0;
  let url: string;

  beforeAll(async () => {
    keys = await generateKeyPair('RS256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
    server = createServer((_request, response) => {
      fetches += 1;
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ keys: [jwk] }));
    });
    url = await listen(server);
  });
  afterAll(() => void server.close());

  async function listen(unlistened: Server): Promise<string> {
    unlistened.listen(0, '127.0.0.1');
    await once(unlistened, 'listening');
    const address = unlistened.address();
    if (typeof address !== 'object' || address === null) throw new Error('There is no port');
    return `http://127.0.0.1:${address.port}/keys`;
  }

  const trusting = (more: Readonly<Record<string, string>> = {}) =>
    open({ JWT_ISSUER_JWKS_URL: url, JWT_ISSUER: ISSUER, ...more });

  const claims = { email: 'A@Example.test', email_verified: true };
  const signed = (payload: JWTPayload, options: { issuer?: string; audience?: string; exp?: string } = {}) =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(options.issuer ?? ISSUER)
      .setAudience(options.audience ?? 'millrace')
      .setIssuedAt()
      .setExpirationTime(options.exp ?? '5m')
      .sign(keys.privateKey);

  test('are good with its key, and name the verified address; the keys are fetched once', async () => {
    const tokens = trusting();
    fetches = 0;
    const good = { kind: 'valid', claims: { issuer: 'outside', email: 'A@Example.test' } };
    for (let count = 0; count < 5; count++) expect(await tokens.verify(await signed(claims))).toEqual(good);
    expect(fetches).toBe(1);
    expect(
      await trusting({ JWT_AUDIENCE: 'shop' }).verify(await signed(claims, { audience: 'shop' })),
    ).toEqual(good);
    expect(await tokens.verify((await tokens.issue(account)).token), 'own ones still are').toEqual(VALID);
  });

  test('are refused for everything else', async () => {
    const tokens = trusting();
    const other = await generateKeyPair('RS256');
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(ISSUER)
      .setAudience('millrace')
      .setExpirationTime('5m')
      .sign(other.privateKey);
    const spki = JSON.stringify(await exportJWK(keys.publicKey));
    const now = Math.floor(Date.now() / 1_000);
    const payload = { ...claims, iss: ISSUER, aud: 'millrace', exp: now + 300 };
    const bad: Record<string, string> = {
      'another key': forged,
      'an address that nobody verified': await signed({ ...claims, email_verified: false }),
      'no word about verification': await signed({ email: claims.email }),
      'no address': await signed({ email_verified: true }),
      'for somebody else': await signed(claims, { audience: 'somebody' }),
      'another issuer': await signed(claims, { issuer: 'https://other.example.test/' }),
      'our own name': await signed(
        { ...claims, sub: 'an-account', kind: 'superadmin', tv: 3 },
        { issuer: 'millrace' },
      ),
      'signed with the public key as a secret': forge({ alg: 'HS256', kid: 'k1' }, payload, spki),
      'signed with our secret': forge({ alg: 'HS256', kid: 'k1' }, payload),
      'alg none': `${Buffer.from('{"alg":"none","kid":"k1"}').toString('base64url')}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.`,
    };
    for (const [what, token] of Object.entries(bad)) {
      expect([what, await tokens.verify(token)]).toEqual([what, { kind: 'invalid' }]);
    }
    expect(await tokens.verify(await signed(claims, { exp: '-1m' }))).toEqual({ kind: 'expired' });
    expect(await open().verify(await signed(claims)), 'unless one is configured').toEqual({
      kind: 'invalid',
    });
  });

  test('wait for nobody: an issuer that is silent or broken is an outage, soon', async () => {
    const silent = createServer(() => undefined);
    const broken = createServer((_request, response) => void response.writeHead(500).end('no'));
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
      broken.close();
    });
    for (const address of [await listen(silent), await listen(broken), 'http://127.0.0.1:9/keys']) {
      const token = await signed(claims);
      await inTime(() =>
        expect(trusting({ JWT_ISSUER_JWKS_URL: address }).verify(token)).rejects.toThrow(
          ServiceUnavailableError,
        ),
      );
    }
  });
});
