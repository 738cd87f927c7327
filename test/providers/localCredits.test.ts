import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { findBalances } from '../../src/models/ledgerReads.ts';
import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import { LocalCredits } from '../../src/providers/credits/local.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { testsOfEveryProvider } from './creditsConformance.ts';

let system: TestSystem;
let ledger: Ledger;

beforeAll(async () => {
  system = await createTestSystem('local-credits');
  ledger = new Ledger(system.connection);
});
afterAll(() => system.remove());

describe('as every provider', () => {
  testsOfEveryProvider(() => ({
    provider: new LocalCredits(ledger),
    unknownUser: 'unknown-user',
    addUser,
    topUp: async (userId, amount) => {
      await ledger.execute({
        kind: 'add',
        user_id: userId,
        amount,
        app_name: 'system',
        transaction_type: 'purchased',
        description: 'Top-up',
      });
    },
    creditsOf: async (userId) => {
      const [balance] = await findBalances(system.connection, [userId]);
      return balance?.available ?? 0;
    },
  }));
});

test('the books are right after all of it', async () => {
  expect(await verifyLedger(system.connection, 10)).toMatchObject({ drifted: 0, drifts: [] });
});

async function addUser(credits: number): Promise<string> {
  const userId = uniqueName('user');
  await ledger.execute({
    kind: 'create-user',
    user_id: userId,
    username: userId,
    email: `${userId}@example.test`,
    initial_credits: credits,
  });
  return userId;
}
