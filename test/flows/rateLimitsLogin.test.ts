import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TooManyRequestsError } from '../../src/api/errors.ts';
import { LoginThrottle } from '../../src/api/limits/loginThrottle.ts';
import { createPasswordLink } from '../../src/models/accountPasswordLinks.ts';
import { changeAccount, findFailuresForgotten } from '../../src/models/accounts.ts';
import { addAccount } from '../support/authApi.ts';
import { served } from '../support/served.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
let webs: readonly Awaited<ReturnType<TestSystem['startWeb']>>[];
/** Every password that was tried. */
const tried: string[] = [];

beforeAll(async () => {
  system = await createTestSystem('login-limits');
  const environment = { JWT_SECRET: randomBytes(32).toString('base64url'), TRUSTED_PROXIES: '1' };
  webs = await Promise.all([system.startWeb(environment), system.startWeb(environment)]);
});
afterAll(() => system.remove());

let addresses = 0;
function newAddress(): string {
  addresses += 1;
  return `198.18.${addresses >> 8}.${addresses & 255}`;
}

async function attempt(
  path: string,
  fields: Readonly<Record<string, string>>,
  address: string,
  web = webs[0],
) {
  if (fields['password']) tried.push(fields['password']);
  const response = await fetch(`${web?.url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': address },
    body: JSON.stringify(fields),
  });
  return {
    status: response.status,
    retryAfter: Number(response.headers.get('retry-after')),
    body: JSON.parse(await response.text()),
  };
}

const neverForgotten = async () => undefined;
const guess = () => `guess ${randomBytes(9).toString('base64url')}`;
const text = expect.stringMatching(/^Too many login attempts; try again in \d+ s$/);
const LOGINS = [
  ['/api/auth/login', 'email', { message: text, detail: text }],
  ['/api/superadmin/login', 'username', { detail: text }],
  ['/api/v1/token/', 'username', { detail: text }],
] as const;

describe.each(LOGINS)('%s', (path, field, refusal) => {
  const someone = () => `${uniqueName('someone')}${field === 'email' ? '@example.test' : ''}`;
  const account = () => {
    const name = someone();
    if (field === 'email') return addAccount(system, { kind: 'person', roles: ['member'], email: name });
    return addAccount(system, {
      kind: path === '/api/v1/token/' ? 'edge' : 'superadmin',
      roles: [],
      username: name,
    });
  };

  test('of many guesses at once, at both processes, ten are looked at; then the right one is refused too', async () => {
    const { account: made, password } = await account();
    const name = made[field] ?? '';
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const spelling = index % 2 ? name : name.toUpperCase();
        return attempt(path, { [field]: spelling, password: guess() }, newAddress(), webs[index % 2]);
      }),
    );
    // A busy process may tell some to come back, which is no attempt; then others are looked at in their place.
    let lookedAt = answers.filter(({ status }) => status === 401).length;
    for (let last = 0; last !== 429; ) {
      last = (await attempt(path, { [field]: name, password: guess() }, newAddress())).status;
      if (last === 401) lookedAt += 1;
    }
    expect(lookedAt).toBe(10);
    const locked = await attempt(path, { [field]: name, password }, newAddress());
    expect([locked.status, locked.body]).toEqual([429, refusal]);
    expect(locked.retryAfter).toBeGreaterThan(800);
    expect(locked.retryAfter).toBeLessThanOrEqual(900);
    tried.pop();
  });

  test('a name that nobody has is locked alike', async () => {
    const name = someone();
    const statuses: number[] = [];
    for (let times = 0; times < 12; times++) {
      const fields = { [field]: name, password: guess() };
      statuses.push((await served(() => attempt(path, fields, newAddress()))).status);
    }
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
  });

  test('a success forgets the failures before it', async () => {
    const { account: made, password } = await account();
    const name = made[field] ?? '';
    for (let round = 0; round < 3; round++) {
      for (let times = 0; times < 9; times++) {
        const fields = { [field]: name, password: guess() };
        expect((await served(() => attempt(path, fields, newAddress()))).status).toBe(401);
      }
      const right = { [field]: name, password };
      expect((await served(() => attempt(path, right, newAddress()))).status).toBe(200);
      tried.splice(tried.indexOf(password), tried.length);
    }
  });
});

describe('a name that is locked', () => {
  const logIn = (email: string, password: string) =>
    attempt('/api/auth/login', { email, password }, newAddress());

  async function newAccount() {
    const email = `${uniqueName('someone')}@example.test`;
    return { email, ...(await addAccount(system, { kind: 'person', roles: ['member'], email })) };
  }

  async function lockedAccount() {
    const made = await newAccount();
    await lock(made.email);
    return made;
  }

  const newLink = (accountId: string) =>
    createPasswordLink(system.connection, accountId, new Date(Date.now() + 60_000));

  async function setByLink(token: string): Promise<string> {
    const chosen = guess();
    const set = await fetch(`${webs[1]?.url}/api/auth/password/reset`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, new_password: chosen }),
    });
    expect(set.status).toBe(204);
    return chosen;
  }

  const throttle = () => new LoginThrottle(system.redis, system.prefix);

  /** Fails as often as it may. */
  async function lock(name: string, account: Parameters<typeof findFailuresForgotten>[1] = { email: name }) {
    const begin = () =>
      throttle().begin(name, newAddress(), () => findFailuresForgotten(system.connection, account));
    for (let times = 0; times < 10; times++) await begin();
    await expect(begin()).rejects.toThrow(TooManyRequestsError);
  }

  test('is free again once a link has set the password, and can be locked again', async () => {
    const { account, email } = await lockedAccount();
    const token = await newLink(account.account_id);
    expect((await logIn(email, guess())).status, 'a link alone changes nothing').toBe(429);
    const chosen = await setByLink(token);
    await lock(email);
    expect((await logIn(email, chosen)).status).toBe(429);
  });

  test('and was set free forgets its failures with the next success', async () => {
    const { account, password, email } = await lockedAccount();
    const disabled = await changeAccount(system.connection, account, { status: 'disabled' });
    if (!disabled) throw new Error('The account was changed meanwhile');
    expect((await logIn(email, password)).status, 'disabling alone changes nothing').toBe(429);
    await changeAccount(system.connection, disabled, { status: 'active' });
    for (let round = 0; round < 3; round++) {
      for (let times = 0; times < 9; times++) {
        const forgotten = () => findFailuresForgotten(system.connection, { email });
        await throttle().begin(email, newAddress(), forgotten);
      }
      expect((await logIn(email, password)).status).toBe(200);
    }
  });

  test('is free again once an operator has set the password', async () => {
    const { email } = await lockedAccount();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['scripts/accounts.ts', 'set-password', email, '--generate-password'],
      { env: { ...process.env, ...system.environment } },
    );
    expect((await logIn(email, JSON.parse(stdout).password)).status).toBe(200);
  });

  test('for changing the own password is free again once a link has set it', async () => {
    const { account, password, email } = await newAccount();
    const login = await logIn(email, password);
    const change = async (token: string, old_password: string, new_password: string) => {
      const answer = await fetch(`${webs[0]?.url}/api/auth/password`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          Authorization: `Bearer ${token}`,
          'X-Forwarded-For': newAddress(),
        },
        body: JSON.stringify({ old_password, new_password }),
      });
      return answer.status;
    };
    const { account_id } = account;
    await lock(`account:${account_id}`, { account_id });
    expect(await change(login.body.access_token, password, guess())).toBe(429);
    const chosen = await setByLink(await newLink(account_id));
    const again = await logIn(email, chosen);
    expect(await change(again.body.access_token, chosen, guess())).toBe(200);
  });
});

test('an address that tries a hundred names is refused, and others are not', async () => {
  const address = newAddress();
  const throttle = new LoginThrottle(system.redis, system.prefix);
  for (let times = 0; times < 100; times++) await throttle.begin(uniqueName('name'), address, neverForgotten);
  const fields = () => ({ email: `${uniqueName('someone')}@example.test`, password: guess() });
  expect((await attempt('/api/auth/login', fields(), address)).status).toBe(429);
  expect((await attempt('/api/auth/login', fields(), newAddress())).status).toBe(401);
});

test('an attempt that was not answered, or was right, does not count for the address', async () => {
  const address = newAddress();
  const throttle = new LoginThrottle(system.redis, system.prefix);
  for (let times = 0; times < 150; times++) {
    const begun = await throttle.begin('somebody', address, neverForgotten);
    await (times % 2 ? begun.succeeded() : begun.unanswered());
  }
  await expect(throttle.begin('somebody', address, neverForgotten)).resolves.toBeDefined();
});

test('every refused login was logged, and no password with it', () => {
  const output = webs.flatMap((web) => web.lines).join('\n');
  expect(output).toContain('Login refused');
  expect(tried.length).toBeGreaterThan(150);
  for (const password of tried) expect(output).not.toContain(password);
});
