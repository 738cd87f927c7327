import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BY_COMMAND } from '../../scripts/command/auditCommand.ts';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { findBalances, findLedgerUser, listMovements } from '../../src/models/ledgerReads.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

const HEADER = 'user_id,username,email,credits';

let system: TestSystem;
let folder: string;

beforeAll(async () => {
  system = await createTestSystem('credits-import');
  folder = await mkdtemp(join(tmpdir(), 'millrace-credits-'));
});
afterAll(async () => {
  await system.remove();
  await rm(folder, { recursive: true, force: true });
});

test('a dry run says what would happen; --apply does it, each with one opening entry; once more changes nothing', async () => {
  const [there, long, name] = [uniqueName('there'), '108113351471241510017', uniqueName('ümläut, x')];
  await new Ledger(system.connection).execute({
    kind: 'create-user',
    user_id: there,
    username: 'There',
    email: 'there@example.org',
    initial_credits: 60,
  });
  const file = await csv(
    [
      'credits,extra,email,user_id,username',
      `57,,a@example.org,${long},"Long, ""id"""`,
      '',
      `99,ignored,b@example.org,${there},Another name`,
      `0,,c@example.org,"${name}",Zero`,
      `1000000000000,,d@example.org,${long}x,Rich`,
    ],
    { bom: true, lineEnd: '\r\n' },
  );
  const dryRun = await credits('import', file);
  expect(dryRun).toEqual({
    code: 0,
    stderr: '',
    stdout: [
      `line 2: import "${long}" with 57`,
      `line 4: "${there}" is there already and stays as it is`,
      `line 5: import "${name}" with 0`,
      `line 6: import "${long}x" with 1000000000000`,
      '3 to import with 1000000000057 credits in all, 1 there already, 0 bad',
      'Dry run: nothing was changed. Import with --apply.',
      '',
    ].join('\n'),
  });
  expect(await findLedgerUser(system.connection, long)).toBeUndefined();
  const audit = { who: BY_COMMAND, action: 'credits.import', limit: 10 } as const;
  expect(await listAuditEntries(system.connection, audit)).toEqual([]);

  const applied = await credits('import', file, '--apply');
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(applied.stdout).toContain(
    '3 imported with 1000000000057 credits in all, 1 there already, 0 bad\nThe import is in force.\n',
  );
  expect(await listAuditEntries(system.connection, audit)).toMatchObject([
    { target: '3 imported with 1000000000057 credits in all, 1 there already, 0 bad', outcome: 'done' },
  ]);
  expect(await findLedgerUser(system.connection, long)).toMatchObject({
    username: 'Long, "id"',
    email: 'a@example.org',
    available: 57,
    held: 0,
  });
  expect(await listMovements(system.connection, { user_id: long, limit: 10 })).toMatchObject([
    {
      kind: 'opening',
      entries: [
        { account: 'issuance', amount: -57 },
        { account: `user:${long}`, amount: 57 },
      ],
    },
  ]);
  expect(await findLedgerUser(system.connection, there)).toMatchObject({ username: 'There', available: 60 });
  expect(await findLedgerUser(system.connection, name)).toMatchObject({ available: 0 });

  const again = await credits('import', file, '--apply');
  expect(again.stdout).toContain('0 imported with 0 credits in all, 4 there already, 0 bad');
  expect(await listMovements(system.connection, { user_id: long, limit: 10 })).toHaveLength(1);
  await expectCleanLedger(system);
});

test('one bad line refuses the file, whatever is wrong with it; --skip-bad takes the others', async () => {
  const user = uniqueName('good');
  const file = await csv([
    HEADER,
    `${user},Good,good@example.org,7`,
    `${user}-negative,n,e,-5`,
    `${user}-fraction,n,e,1.5`,
    `${user}-text,n,e,many`,
    `${user}-inexact,n,e,9007199254740993`,
    `${user}-large,n,e,9007199254740991`,
    ' ,n,e,5',
    `${user}-name,,e,5`,
    `${user}-mail,n,${'x'.repeat(255)},5`,
    `${user}-short,n,5`,
    `${user},Again,e,5`,
    `${'x'.repeat(201)},n,e,5`,
  ]);
  const refused = await credits('import', file, '--apply');
  expect(refused.code).toBe(1);
  expect(refused.stdout.match(/^line \d+: bad.*/gm)).toHaveLength(11);
  expect(refused.stdout).toContain('line 12: bad: the same user_id as in line 2');
  expect(refused.stdout).toContain('1 to import with 7 credits in all, 0 there already, 11 bad');
  expect(refused.stdout).toContain('Nothing was changed.');
  expect(await findBalances(system.connection, [user])).toEqual([]);

  const skipped = await credits('import', file, '--apply', '--skip-bad');
  expect(skipped.code).toBe(0);
  expect(skipped.stdout).toContain('1 imported with 7 credits in all, 0 there already, 11 bad');
  expect(await findBalances(system.connection, [user])).toMatchObject([{ available: 7 }]);
});

test('a user without an e-mail address, as first contact creates it, is imported', async () => {
  const user = uniqueName('first-contact');
  const file = await csv([HEADER, `${user},${user},,57`]);
  const applied = await credits('import', file, '--apply');
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(await findLedgerUser(system.connection, user)).toMatchObject({
    username: user,
    email: '',
    available: 57,
  });
});

test('a file of several pages is taken whole, with few lines printed', async () => {
  const label = uniqueName('many');
  const lines = Array.from({ length: 1_300 }, (_, index) => `${label}-${index},n,e,${index}`);
  const file = await csv([HEADER, ...lines]);
  const applied = await credits('import', file, '--apply');
  expect(applied.stdout).toContain(`1300 imported with ${(1_299 * 1_300) / 2} credits in all`);
  expect(applied.stdout).toContain('… and 1280 more of "imported"');
  expect(applied.stdout.split('\n').length).toBeLessThan(40);
  const ids = Array.from({ length: 1_300 }, (_, index) => `${label}-${index}`);
  const found = await findBalances(system.connection, ids);
  expect(found.map(({ available }) => available).sort((a, b) => a - b)).toEqual(ids.map((_, index) => index));
});

test.each([
  ['that is not there', undefined, 'cannot be read'],
  ['without the columns', 'user_id,username,credits\na,b,5\n', 'email is missing or named twice'],
  ['that is no CSV', `${HEADER}\n"a,b,c,5\n`, 'is not a CSV file'],
])('a file %s is refused with a message', async (_what, text, message) => {
  const file = join(folder, `${uniqueName('file')}.csv`);
  if (text !== undefined) await writeFile(file, text);
  const outcome = await credits('import', file);
  expect(outcome).toMatchObject({ code: 1, stdout: '' });
  expect(outcome.stderr).toContain(message);
  expect(outcome.stderr).not.toContain('    at ');
});

function credits(...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/credits.ts', ...options],
      { env: { ...process.env, NO_COLOR: '1', MONGODB_URL: system.mongoUrl } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}

async function csv(
  lines: readonly string[],
  { bom = false, lineEnd = '\n' }: { readonly bom?: boolean; readonly lineEnd?: string } = {},
): Promise<string> {
  const file = join(folder, `${uniqueName('credits')}.csv`);
  const text = lines.map((line) => `${line}${lineEnd}`).join('');
  await writeFile(file, bom ? `\ufeff${text}` : text);
  return file;
}
