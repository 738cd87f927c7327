import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acceptedHashes } from '../../src/domain/accounts/apiKey.ts';
import { findApiKey, hashApiKey } from '../../src/models/apiKeys.ts';
import { listAuditEntries } from '../../src/models/auditLog.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
const SHOWN_ONCE = 'The key is shown this once: keep it.\n';

beforeAll(async () => {
  system = await createTestSystem('keys-cli');
});
afterAll(() => system.remove());

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function keys(...options: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['scripts/keys.ts', ...options],
      { env: { ...process.env, NO_COLOR: '1', MONGODB_URL: system.mongoUrl } },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
      },
    );
  });
}

async function actionsOn(keyId: string): Promise<string[]> {
  const entries = await listAuditEntries(system.connection, { target: keyId, limit: 10 });
  for (const entry of entries) expect(entry).toMatchObject({ who: 'command-line', outcome: 'done' });
  return entries.map((entry) => entry.action).reverse();
}

test('a key is made, listed, rotated and revoked, and each step is in the audit log', async () => {
  const name = uniqueName('reports');
  const options = ['--scopes', 'usage:write, usage:read', '--expires-in-days', '30', '--rate-limit', '600'];
  const created = await keys('create', '--name', name, ...options);
  expect(created).toMatchObject({ code: 0, stderr: SHOWN_ONCE });
  const made = JSON.parse(created.stdout);
  expect(made).toMatchObject({
    key: expect.stringMatching(/^mrk_[0-9a-f]{16}_/),
    name,
    scopes: ['usage:read', 'usage:write'],
    status: 'active',
    rate_limit_per_minute: 600,
    created_by: 'command-line',
  });
  expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBeCloseTo(30 * 86_400_000, -4);

  const table = await keys('list');
  expect(table.stdout).toMatch(new RegExp(`${made.key_id}  usable .* ${name} +usage:read,usage:write`));
  const { key, ...shown } = made;
  const listed = (await keys('list', '--json')).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(listed).toEqual([shown]);
  expect(table.stdout).not.toContain(key);

  const rotated = await keys('rotate', made.key_id, '--grace-hours', '1');
  expect(rotated).toMatchObject({ code: 0, stderr: SHOWN_ONCE });
  const second = JSON.parse(rotated.stdout);
  const kept = await findApiKey(system.connection, made.key_id);
  if (!kept) throw new Error('The key is gone');
  expect(acceptedHashes(kept, Date.now())).toEqual([hashApiKey(second.key), hashApiKey(key)]);
  expect(acceptedHashes(kept, Date.now() + 3_601_000)).toEqual([hashApiKey(second.key)]);

  const revoked = await keys('revoke', made.key_id);
  expect(revoked).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(revoked.stdout)).toMatchObject({ key_id: made.key_id, status: 'revoked' });
  const late = await keys('rotate', made.key_id);
  expect(late).toMatchObject({ code: 1, stdout: '' });
  expect(late.stderr).toBe(`The key "${made.key_id}" is revoked; make a new one.\n`);
  expect(await actionsOn(made.key_id)).toEqual(['api-key.create', 'api-key.rotate', 'api-key.revoke']);
});

test('what cannot be taken is refused with a message', async () => {
  const refusals = [
    [['create', '--name', 'x'], '--scopes'],
    [['create', '--name', 'x', '--scopes', 'everything'], 'There are these: usage:report'],
    [['create', '--name', ' ', '--scopes', 'icons'], '1 to 100 characters'],
    [['create', '--name', 'x', '--scopes', 'icons', '--rate-limit', '0'], 'a whole number from 1'],
    [['revoke', 'unknown'], 'There is no key with the id "unknown"'],
    [['rotate', 'unknown'], 'There is no key with the id "unknown"'],
  ] as const;
  const outcomes = await Promise.all(refusals.map(([options]) => keys(...options)));
  outcomes.forEach((outcome, index) => {
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain(refusals[index]?.[1]);
    expect(outcome.stderr).not.toContain('    at ');
  });
});
