import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findLinkedAccount } from '../../src/models/accountPasswordLinks.ts';
import { findLogin, findPassword } from '../../src/models/accounts.ts';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('accounts-cli');
});
afterAll(() => system.remove());

const passwords = new PasswordHasher();

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(input: string, ...options: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ['scripts/accounts.ts', ...options], {
    env: { ...process.env, NO_COLOR: '1', PORT: '3999', ...system.environment },
  });
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

const accounts = (...options: string[]) => run('', ...options);

async function verified(accountId: string, password: string): Promise<boolean> {
  const found = await findPassword(system.connection, accountId);
  return passwords.verify(found?.password_hash, password);
}

describe('create', () => {
  test('prints the account, with its password only when that was generated', async () => {
    const email = `${uniqueName('Admin')}@example.test`;
    const [generated, typed] = await Promise.all([
      accounts(
        'create',
        '--kind',
        'person',
        '--email',
        email,
        '--roles',
        'admin,seller',
        '--usage_user_id',
        '5',
        '--generate-password',
      ),
      run(
        'a typed password\r\nmore\n',
        'create',
        '--kind',
        'edge',
        '--username',
        uniqueName('Shop'),
        '--store_id',
        's1',
        '--password-stdin',
      ),
    ]);
    expect(generated).toMatchObject({ code: 0, stderr: '' });
    const person = JSON.parse(generated.stdout);
    expect(person).toMatchObject({
      kind: 'person',
      roles: ['admin', 'seller'],
      usage_user_id: 5,
      status: 'active',
    });
    expect(await verified(person.id, person.password)).toBe(true);

    expect(typed, typed.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(typed.stdout).not.toContain('password');
    expect(await verified(JSON.parse(typed.stdout).id, 'a typed password')).toBe(true);

    const again = await accounts(
      'create',
      '--kind',
      'person',
      '--email',
      email.toUpperCase(),
      '--roles',
      'member',
      '--without-password',
    );
    expect(again).toEqual({ code: 1, stdout: '', stderr: 'Another account has this email already\n' });
  });

  test.each([
    [['--kind', 'person', '--email', 'x'], /--email: .*--roles: /s],
    [['--kind', 'emperor'], /Allowed choices are person, company, edge, superadmin/],
    [['--kind', 'edge', '--username', 'x', '--roles', 'king'], /There are these: admin, seller, member/],
    [['--kind', 'edge', '--username', 'x'], /nobody to ask/],
    [['--kind', 'edge', '--username', 'x', '--password', 'secret-password'], /unknown option '--password'/],
    [
      ['--kind', 'edge', '--username', 'x', '--usage_user_id', 'seven', '--generate-password'],
      /--usage_user_id/,
    ],
  ])('%j is refused without a stack', async (options, message) => {
    const outcome = await accounts('create', ...options);
    expect(outcome).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
    expect(outcome.stderr).not.toContain('    at ');
  });

  test('a password that is too short is refused', async () => {
    const outcome = await run('short\n', 'create', '--kind', 'edge', '--username', 'x', '--password-stdin');
    expect(outcome).toEqual({ code: 1, stdout: '', stderr: 'A password has 8 to 200 characters.\n' });
  });
});

test('an account is listed, disabled, enabled, given a password and a link', async () => {
  const username = uniqueName('Root');
  const made = await accounts('create', '--kind', 'superadmin', '--username', username, '--without-password');
  const { id } = JSON.parse(made.stdout);
  expect(await findPassword(system.connection, id)).toBeUndefined();

  const listed = await accounts('list', '--kind', 'superadmin', '--json');
  expect(
    listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id),
  ).toContain(id);
  expect((await accounts('list')).stdout).toMatch(
    new RegExp(`${id}\\s+superadmin\\s+active\\s+-\\s+${username.toLowerCase()}`),
  );

  const set = await accounts('set-password', username.toUpperCase(), '--generate-password');
  const { password } = JSON.parse(set.stdout);
  expect(await verified(id, password)).toBe(true);

  expect(JSON.parse((await accounts('disable', id)).stdout).status).toBe('disabled');
  expect(await findLogin(system.connection, { username }, ['superadmin'])).toBeUndefined();
  expect(await accounts('reset-link', id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('disabled'),
  });
  expect(JSON.parse((await accounts('enable', username)).stdout).status).toBe('active');

  const [here, elsewhere] = await Promise.all([
    accounts('reset-link', username),
    accounts('reset-link', username, '--hours', '1', '--base-url', 'https://api.example.test/'),
  ]);
  const [, token = ''] = /^http:\/\/127\.0\.0\.1:\d+\/auth\/reset\?token=(\S+)\n$/.exec(here.stdout) ?? [];
  expect((await findLinkedAccount(system.connection, token))?.account_id).toBe(id);
  expect(elsewhere.stdout).toMatch(/^https:\/\/api\.example\.test\/auth\/reset\?token=\S{43}\n$/);

  const entries = await system.connection.collection('audit_log').find({ target: id }).toArray();
  expect(entries.map((entry) => [entry.who, entry.action]).sort()).toEqual(
    [
      'account.create',
      'account.disable',
      'account.enable',
      'account.password',
      'account.reset-link',
      'account.reset-link',
    ].map((action) => ['command-line', action]),
  );
});

test('nobody of that name is told so', async () => {
  for (const command of [['disable'], ['enable'], ['set-password', '--generate-password'], ['reset-link']]) {
    const [name = '', ...rest] = command;
    const outcome = await accounts(name, 'nobody@example.test', ...rest);
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: 'There is no account "nobody@example.test"; npm run accounts -- list shows them.\n',
    });
  }
});
