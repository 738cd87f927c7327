import { afterAll, beforeAll, expect, test } from 'vitest';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { addUser, expectSound } from './ledgerCommands.ts';

const MILLISECONDS = 3_000;
const USERS = Array.from({ length: 8 }, (_, index) => `user-${index}`);

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('bank');
});
afterAll(() => system.remove());

test('while two processes with ten clients each move credits about, every snapshot sums to 100', async () => {
  for (const [index, user] of USERS.entries()) await addUser(system.connection, user, index < 4 ? 13 : 12);
  const clients = [1, 2].map(() =>
    startProcess('test/models/ledgerClient.ts', {}, [
      system.mongoUrl,
      'transfer',
      String(MILLISECONDS),
      ...USERS,
    ]),
  );
  const results = Promise.all(clients.map((client) => client.line((line) => line.includes('result'))));
  let running = true;
  void results.finally(() => {
    running = false;
  });
  const seen = new Set<string>();
  while (running) {
    const balances = await findBalances(system.connection, USERS);
    expect(balances.reduce((sum, balance) => sum + balance.available, 0)).toBe(100);
    for (const balance of balances) expect(balance.available).toBeGreaterThanOrEqual(0);
    seen.add(balances.map((balance) => balance.available).join());
    // It may run beside the writers.
    if (seen.size % 20 === 5) expect(await verifyLedger(system.connection, 5)).toMatchObject({ drifts: [] });
  }
  const tallies = (await results).map((line) => JSON.parse(line).result);
  for (const tally of tallies) expect(tally.done).toBeGreaterThan(50);
  expect(tallies.some((tally) => tally['insufficient-credits'] > 0)).toBe(true);
  expect(seen.size).toBeGreaterThan(20);
  await expectSound(system.connection);
});
