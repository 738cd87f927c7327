import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { accounts, movements } from '../../src/models/ledgerDocuments.ts';
import { addUser, carryOut, deduct } from '../models/ledgerCommands.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('ledger-cli');
  await addUser(system.connection, 'ann', 30);
  await carryOut(new Ledger(system.connection), deduct('ann', 4));
});
afterAll(() => system.remove());

async function verify(...args: string[]): Promise<{ code: number | null; lines: readonly string[] }> {
  const command = startProcess('scripts/ledger.ts', system.environment, ['verify', ...args]);
  const { code } = await command.exited;
  return { code, lines: command.lines };
}

test('a sound ledger: totals, and exit code 0', async () => {
  expect(await verify()).toEqual({
    code: 0,
    lines: ['app:imagegene: 4', 'issuance: -30', '1 users, 2 movements, 0 holds: everything adds up.'],
  });
});

test('each difference with its account and figures, and exit code 1', async () => {
  await accounts(system.connection).updateOne({ _id: 'ann' }, { $set: { available: 27 } });
  const told = await verify();
  const json = await verify('--json');
  await accounts(system.connection).updateOne({ _id: 'ann' }, { $set: { available: 26 } });
  expect(told.code).toBe(1);
  expect(told.lines[0]).toBe('user:ann: available: stored 27, by the movements 26');
  expect(told.lines.at(-1)).toBe('1 users, 2 movements, 0 holds: 1 differences.');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.lines.join(''))).toEqual({
    users: 1,
    movements: 2,
    holds: 0,
    totals: { issuance: -30, 'app:imagegene': 4 },
    drifted: 1,
    drifts: [{ kind: 'available', account: 'user:ann', stored: 27, recounted: 26 }],
  });
});

test('a movement is named where it shows the difference', async () => {
  const found = await movements(system.connection).findOne({ kind: 'deduction' });
  await movements(system.connection).updateOne(
    { kind: 'deduction' },
    { $set: { entries: [{ account: 'user:ann', amount: -4 }] } },
  );
  const { lines } = await verify();
  expect(lines).toContain(
    `movement:${found?._id}: the entries of the movement do not sum to zero: stored -4, by the movements 0`,
  );
});
