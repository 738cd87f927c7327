import { afterAll, beforeAll, expect, test } from 'vitest';
import { MOST_CREDITS } from '../../src/domain/credits/limits.ts';
import { importUsers, previewUserImport } from '../../src/models/ledgerImport.ts';
import { findLedgerUser, listMovements } from '../../src/models/ledgerReads.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { balanceOf, expectSound } from './ledgerCommands.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('import');
});
afterAll(() => system.remove());

function row(user_id: string, credits: number) {
  return { user_id, username: user_id, email: `${user_id}@example.org`, credits };
}

test('new users come with one opening movement each; who is there stays as it is', async () => {
  await importUsers(system.connection, [row('there', 3)]);
  const rows = [row('a', 40), row('there', 99), row('b', 0), row('c', MOST_CREDITS + 1)];
  const outcomes = ['imported', 'exists', 'imported', 'balance-too-large'];
  expect(await previewUserImport(system.connection, rows)).toEqual(outcomes);
  expect(await findLedgerUser(system.connection, 'a')).toBeUndefined();
  expect(await importUsers(system.connection, rows)).toEqual(outcomes);
  expect(await importUsers(system.connection, rows)).toEqual([
    'exists',
    'exists',
    'exists',
    'balance-too-large',
  ]);
  expect(await balanceOf(system.connection, 'a')).toEqual([40, 0]);
  expect(await balanceOf(system.connection, 'b')).toEqual([0, 0]);
  expect(await balanceOf(system.connection, 'there')).toEqual([3, 0]);
  const movements = await listMovements(system.connection, { user_id: 'a', limit: 10 });
  expect(movements).toMatchObject([
    { kind: 'opening', transaction_type: 'adjustment', entries: [{ amount: -40 }, { amount: 40 }] },
  ]);
  await expectSound(system.connection);
});

test('two imports of the same users at once import each once', async () => {
  const rows = Array.from({ length: 300 }, (_, index) => row(`same-${index}`, index));
  const [one, two] = await Promise.all([
    importUsers(system.connection, rows),
    importUsers(system.connection, rows),
  ]);
  expect([one?.[0], two?.[0]].toSorted()).toEqual(['exists', 'imported']);
  expect(await balanceOf(system.connection, 'same-299')).toEqual([299, 0]);
  await expectSound(system.connection);
});
