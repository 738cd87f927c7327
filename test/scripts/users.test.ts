import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BY_COMMAND } from '../../scripts/command/auditCommand.ts';
import type { AuditAction } from '../../src/domain/audit/entry.ts';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { createUser, findUsersByName, listUsers } from '../../src/models/users.ts';
import { USER_CHANGE_DELAY_MILLISECONDS, UserDirectory } from '../../src/producers/usage/userDirectory.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
let folder: string;

beforeAll(async () => {
  system = await createTestSystem('users-cli');
  folder = await mkdtemp(join(tmpdir(), 'millrace-users-'));
});
afterAll(async () => {
  await system.remove();
  await rm(folder, { recursive: true, force: true });
});

describe('add', () => {
  test('prints the user, and refuses the same name and the same id', async () => {
    const userName = uniqueName('Added');
    const added = await users('add', '--userName', `  ${userName} `);
    expect(added).toMatchObject({ code: 0, stderr: '' });
    const user = JSON.parse(added.stdout);
    expect(user).toEqual({ userName, user_id: expect.any(Number), roles: 3, status: 1 });
    expect(await audited('user.add')).toEqual([`${user.user_id}`]);

    const [sameName, sameId] = await Promise.all([
      users('add', '--userName', userName),
      users('add', '--userName', uniqueName('other'), '--user_id', String(user.user_id)),
    ]);
    expect(sameName).toEqual({
      code: 1,
      stdout: '',
      stderr: `"${userName}" exists already, with user_id ${user.user_id}\n`,
    });
    expect(sameId).toEqual({
      code: 1,
      stdout: '',
      stderr: `user_id ${user.user_id} belongs to "${userName}" already\n`,
    });
  });

  test('two at once get two ids', async () => {
    const names = [uniqueName('one'), uniqueName('two')];
    const outcomes = await Promise.all(
      names.map((name) => users('add', '--userName', name, '--roles', '2', '--status', '0')),
    );
    const added = outcomes.map((outcome) => JSON.parse(outcome.stdout));
    expect(added).toMatchObject(names.map((userName) => ({ userName, roles: 2, status: 0 })));
    expect(added[0].user_id).not.toBe(added[1].user_id);
  });

  test('what is no user is refused with a message, not a stack', async () => {
    const outcome = await users('add', '--userName', 'x', '--user_id', '0');
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: 'user_id has to be a whole number from 1 to 2^53 - 1, not "0"\n',
    });
  });
});

test('list shows a table or JSON lines, page by page', async () => {
  const label = uniqueName('page');
  for (const suffix of ['a', 'b', 'c']) await seller(`${label}-${suffix}`);
  const page = await users('list', '--userName', label.toUpperCase(), '--limit', '2');
  expect(page.stdout.split('\n').map((line) => line.trim().split(/\s+/).at(-1))).toEqual([
    'userName',
    `${label}-a`,
    `${label}-b`,
    '',
  ]);
  const after = /--after (\d+)/.exec(page.stderr)?.[1] ?? '';
  const rest = await users('list', '--userName', label, '--limit', '2', '--after', after, '--json');
  expect(rest.stderr).toBe('');
  expect(
    rest.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([{ userName: `${label}-c`, roles: 3, status: 1 }]);
});

describe('disable and enable', () => {
  test('the change is in force everywhere when the command returns', async () => {
    const user = await seller(uniqueName('Switched'));
    const directory = new UserDirectory(system.connection);
    const known = setInterval(() => void directory.find(user.user_name), USER_CHANGE_DELAY_MILLISECONDS / 20);
    try {
      const disabled = await users('disable', '--userName', user.user_name.toLowerCase());
      expect(JSON.parse(disabled.stdout)).toEqual({
        userName: user.user_name,
        user_id: user.user_id,
        roles: 3,
        status: 0,
      });
      expect(await directory.find(user.user_name)).toMatchObject({ status: 0 });
      const enabled = await users('enable', '--userName', user.user_name);
      expect(JSON.parse(enabled.stdout)).toMatchObject({ status: 1 });
      expect(await directory.find(user.user_name)).toMatchObject({ status: 1 });
      expect(await audited('user.status')).toEqual([`${user.user_id} status 1`, `${user.user_id} status 0`]);
    } finally {
      clearInterval(known);
    }
  });

  test('the exact name goes first; among others that differ in case only nobody is chosen', async () => {
    const name = uniqueName('case');
    const [lower, upper] = [await seller(name), await seller(name.toUpperCase())];
    const ambiguous = await users('disable', '--userName', name.replace('case', 'Case'));
    expect(ambiguous).toMatchObject({ code: 1, stdout: '' });
    expect(ambiguous.stderr).toContain(lower.user_name);
    expect(ambiguous.stderr).toContain(upper.user_name);
    expect(await users('disable', '--userName', upper.user_name)).toMatchObject({ code: 0 });
    expect(await findUsersByName(system.connection, [name])).toEqual([lower, { ...upper, status: 0 }]);
  });

  test('a name that nobody has is an error', async () => {
    const outcome = await users('enable', '--userName', 'nobody');
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('There is no user named "nobody"');
  });
});

describe('import', () => {
  test('a dry run says what would happen; --apply does it; once more changes nothing', async () => {
    const label = uniqueName('imp');
    const there = await seller(`${label} there`);
    const other = await seller(`${label} other`);
    const base = there.user_id + 1_000;
    const file = await csv(
      [
        'status,extra,userName,user_id,roles',
        `1,,"${label}, ""quoted""",${base},3`,
        '',
        `0,ignored,${there.user_name},${there.user_id},3`,
        `1,,${other.user_name},${other.user_id},3`,
      ],
      { bom: true, lineEnd: '\r\n' },
    );
    const dryRun = await users('import', file);
    expect(dryRun).toEqual({
      code: 0,
      stderr: '',
      stdout: [
        `line 2: add "${label}, \\"quoted\\"" (user_id ${base}), roles 3, status 1`,
        `line 4: update "${there.user_name}" (user_id ${there.user_id}), roles 3 -> 3, status 1 -> 0`,
        `line 5: unchanged "${other.user_name}" (user_id ${other.user_id})`,
        '1 to add, 1 to update, 1 unchanged, 0 bad',
        'Dry run: nothing was changed. Import with --apply.',
        '',
      ].join('\n'),
    });
    expect(await named(label)).toEqual([there, other]);
    expect(await audited('user.import')).toEqual([]);

    const applied = await users('import', file, '--apply');
    expect(applied.stdout).toContain(
      '1 added, 1 updated, 1 unchanged, 0 left out\nThe import is in force.\n',
    );
    expect(await audited('user.import')).toEqual(['1 added, 1 updated, 1 unchanged, 0 left out']);
    const imported = { user_id: base, user_name: `${label}, "quoted"`, roles: 3, status: 1 };
    expect(await named(label)).toEqual([{ ...there, status: 0 }, other, imported]);

    const again = await users('import', file, '--apply');
    expect(again.stdout).toContain('0 added, 0 updated, 3 unchanged, 0 left out');
    expect(await named(label)).toEqual([{ ...there, status: 0 }, other, imported]);
    expect((await seller(uniqueName('later'))).user_id).toBeGreaterThan(base);
  });

  test('one bad line refuses the file, whatever is wrong with it; --skip-bad takes the others', async () => {
    const label = uniqueName('bad');
    const there = await seller(`${label}-there`);
    const base = there.user_id + 1_000;
    const file = await csv([
      'userName,user_id,roles,status',
      `${label}-good,${base},3,1`,
      `${label}-negative,-5,3,1`,
      ` ,${base + 1},3,1`,
      `${label}-text,${base + 2},seller,1`,
      `${label}-short,${base + 3},3`,
      `${label}-good,${base + 4},3,1`,
      `${label}-repeat,${base},3,1`,
      `${label}-conflict,${there.user_id},3,1`,
      `${there.user_name},${base + 5},3,1`,
    ]);
    const refused = await users('import', file, '--apply');
    expect(refused.code).toBe(1);
    expect(refused.stdout.match(/^line \d+: (bad|conflict)/gm)).toEqual([
      'line 3: bad',
      'line 4: bad',
      'line 5: bad',
      'line 6: bad',
      'line 7: bad',
      'line 8: bad',
      'line 9: conflict',
      'line 10: conflict',
    ]);
    expect(refused.stdout).toContain('line 7: bad: the same userName as in line 2');
    expect(refused.stdout).toContain('line 8: bad: the same user_id as in line 2');
    expect(refused.stdout).toContain('Nothing was changed.');
    expect(await named(label)).toEqual([there]);

    const skipped = await users('import', file, '--apply', '--skip-bad');
    expect(skipped.code).toBe(0);
    expect(skipped.stdout).toContain('1 added, 0 updated, 0 unchanged, 8 left out');
    expect(await named(label)).toEqual([
      there,
      { user_id: base, user_name: `${label}-good`, roles: 3, status: 1 },
    ]);
  });

  test('a file of several batches is taken whole, with few lines printed', async () => {
    const label = uniqueName('many');
    const base = 5_000_000;
    const lines = Array.from({ length: 2_500 }, (_, index) => `${label}-${index},${base + index},3,1`);
    const file = await csv(['userName,user_id,roles,status', ...lines]);
    const applied = await users('import', file, '--apply');
    expect(applied.stdout).toContain('2500 added, 0 updated, 0 unchanged, 0 left out');
    expect(applied.stdout).toContain('… and 2480 more of "add"');
    expect(applied.stdout.split('\n').length).toBeLessThan(40);
    expect(
      await listUsers(system.connection, { namePart: label, afterId: base - 1, limit: 5_000 }),
    ).toHaveLength(2_500);

    const repeated = await csv(['userName,user_id,roles,status', ...lines, `${label}-x,${base},3,1`]);
    expect((await users('import', repeated)).stdout).toContain(
      'line 2502: bad: the same user_id as in line 2',
    );
  });

  test('a file that cannot be read is refused with a message', async () => {
    const outcome = await users('import', join(folder, 'nothing.csv'));
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('nothing.csv cannot be read');
    expect(outcome.stderr).not.toContain('    at ');
  });
});

describe('without a system', () => {
  test('it says that nothing runs, and how to start it', async () => {
    const outcome = await run({ MONGODB_URL: '', DATA_DIR: join(folder, 'data') }, 'list');
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^Nothing runs on the data folder .* npm start/);
  });
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function users(...options: string[]): Promise<Outcome> {
  return run({ MONGODB_URL: system.mongoUrl }, ...options);
}

function run(environment: Record<string, string>, ...options: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/users.ts', ...options],
      { env: { ...process.env, NO_COLOR: '1', ...environment } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}

/** What commands did, newest first: the targets. */
async function audited(action: AuditAction): Promise<(string | null)[]> {
  const entries = await listAuditEntries(system.connection, { who: BY_COMMAND, action, limit: 100 });
  return entries.map(({ target }) => target);
}

function seller(userName: string) {
  return createUser(system.connection, { user_name: userName, roles: 3, status: 1 });
}

function named(part: string) {
  return listUsers(system.connection, { namePart: part, afterId: 0, limit: 100 });
}

async function csv(
  lines: readonly string[],
  { bom = false, lineEnd = '\n' }: { readonly bom?: boolean; readonly lineEnd?: string } = {},
): Promise<string> {
  const file = join(folder, `${uniqueName('users')}.csv`);
  const text = lines.map((line) => `${line}${lineEnd}`).join('');
  await writeFile(file, bom ? `\ufeff${text}` : text);
  return file;
}
