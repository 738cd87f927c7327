import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AccountDetails } from '../../src/domain/accounts/account.ts';
import { continueSession, endSession, startSession } from '../../src/models/accountSessions.ts';
import {
  AccountExistsError,
  changeAccount,
  changePassword,
  createAccount,
  endLogins,
  findAccount,
  findAccountByEmail,
  findActiveAccount,
  findLogin,
  findPassword,
  renewPasswordHash,
} from '../../src/models/accounts.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('accounts');
});
afterAll(() => system.remove());

const email = () => `${uniqueName('Some.One')}@Example.Test`;
const person = (more: Partial<AccountDetails> = {}): AccountDetails => ({
  kind: 'person',
  roles: ['member'],
  email: email(),
  ...more,
});
const create = (details = person(), hash?: string) => createAccount(system.connection, details, hash);

describe('an account', () => {
  test('is found by its address in any spelling, and what it has not is absent', async () => {
    const account = await create(person({ email: ' Ünï.Code@Example.Test ' }));
    expect(account).toEqual({
      account_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kind: 'person',
      roles: ['member'],
      status: 'active',
      email: 'ünï.code@example.test',
      token_version: 1,
      created_at: expect.any(Date),
      updated_at: expect.any(Date),
    });
    expect(await findAccountByEmail(system.connection, 'ÜNÏ.CODE@example.test')).toEqual(account);
    expect(await findAccount(system.connection, account.account_id)).toEqual(account);
  });

  test('never shows its password hash except to those who check it', async () => {
    const account = await create(person(), 'the-hash');
    const shown = [
      account,
      await findAccount(system.connection, account.account_id),
      await findActiveAccount(system.connection, account.account_id),
      await findAccountByEmail(system.connection, account.email ?? ''),
    ];
    expect(JSON.stringify(shown)).not.toContain('the-hash');
    expect((await findPassword(system.connection, account.account_id))?.password_hash).toBe('the-hash');
  });

  test('many may lack an address, none may share one', async () => {
    const names = [uniqueName('one'), uniqueName('two')];
    for (const username of names) await create({ kind: 'edge', roles: [], username });
    const taken = await create({ kind: 'edge', roles: [], username: (names[0] ?? '').toUpperCase() }).catch(
      (error: unknown) => error,
    );
    expect(taken).toBeInstanceOf(AccountExistsError);
    expect(taken).toMatchObject({ field: 'username' });
    const { email: sameEmail = '' } = await create();
    await expect(create(person({ email: sameEmail.toUpperCase() }))).rejects.toMatchObject({
      field: 'email',
    });
  });

  test('logs in by its own kind only, with a password, while it is active', async () => {
    const account = await create(person(), 'hash');
    const name = { email: account.email?.toUpperCase() ?? '' };
    const find = (kinds: Parameters<typeof findLogin>[2]) => findLogin(system.connection, name, kinds);
    expect((await find(['person', 'company']))?.account).toEqual(account);
    expect(await find(['company'])).toBeUndefined();
    const bare = await create();
    expect(await findLogin(system.connection, { email: bare.email ?? '' }, ['person'])).toBeUndefined();
    await changeAccount(system.connection, account, { status: 'disabled' });
    expect(await find(['person'])).toBeUndefined();
    expect(await findActiveAccount(system.connection, account.account_id)).toBeUndefined();
  });
});

describe('a change', () => {
  test('takes away what is null, keeps what is left out, and needs the account as it was read', async () => {
    const before = await create(person({ first_name: 'An', last_name: 'Lê', usage_user_id: 3 }));
    const after = await changeAccount(system.connection, before, { first_name: null, credits_user_id: 'c' });
    expect(after).toMatchObject({
      last_name: 'Lê',
      usage_user_id: 3,
      credits_user_id: 'c',
      token_version: 1,
    });
    expect(after).not.toHaveProperty('first_name');
    expect(await changeAccount(system.connection, before, { last_name: 'stale' })).toBeUndefined();
    const raced = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) =>
        after ? changeAccount(system.connection, after, { first_name: name }) : undefined,
      ),
    );
    expect(raced.filter((changed) => changed !== undefined)).toHaveLength(1);
  });

  test('to another password is made of the one that was checked only, and ends every login', async () => {
    const account = await create(person(), 'one');
    const change = (hash: string, replaced: string) =>
      changePassword(system.connection, account.account_id, hash, { replaced });
    const raced = await Promise.all([change('two', 'one'), change('three', 'one')]);
    expect(raced.filter((changed) => changed !== undefined)).toHaveLength(1);
    expect(await findAccount(system.connection, account.account_id)).toMatchObject({ token_version: 2 });
    await renewPasswordHash(system.connection, account.account_id, 'one', 'stale');
    expect((await findPassword(system.connection, account.account_id))?.password_hash).toMatch(/two|three/);
  });
});

describe('a session', () => {
  test('goes on for the kinds that may, and leaves the token good for others', async () => {
    const account = await create();
    const token = await startSession(system.connection, account);
    expect(await continueSession(system.connection, token, ['edge'])).toEqual({ kind: 'refused' });
    const continued = await continueSession(system.connection, token, ['person']);
    expect(continued).toEqual({ kind: 'continued', account, refreshToken: expect.any(String) });
  });

  test('is over when it is ended, when its account is disabled, and when all logins are', async () => {
    for (const end of [
      (token: string) => endSession(system.connection, token),
      async (_: string, id: string) => endLogins(system.connection, id),
      async (_: string, id: string) => {
        const account = await findAccount(system.connection, id);
        if (account) await changeAccount(system.connection, account, { status: 'disabled' });
      },
    ]) {
      const account = await create();
      const token = await startSession(system.connection, account);
      await end(token, account.account_id);
      expect(await continueSession(system.connection, token, ['person'])).toEqual({ kind: 'refused' });
      expect(await endSession(system.connection, token)).toBeUndefined();
    }
  });

  test('is kept as long as its newest token', async () => {
    const account = await create({ kind: 'edge', roles: [], username: uniqueName('edge') });
    const token = await startSession(system.connection, account);
    const sessions = system.connection.collection('account_sessions');
    const own = { account_id: account.account_id };
    const soon = new Date(Date.now() + 60_000);
    await sessions.updateOne(own, { $set: { expires_at: soon } });
    await continueSession(system.connection, token, ['edge']);
    const kept = await sessions.findOne(own);
    expect(kept?.expires_at - Date.now()).toBeGreaterThan(23 * 3_600_000);
  });
});
