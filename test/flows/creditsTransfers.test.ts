import { afterAll, beforeAll, expect, test } from 'vitest';
import { MOST_CREDITS, MOST_GRANTS } from '../../src/domain/credits/limits.ts';
import { CreditsClient } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** Transfers that are refused say which of the two users stands against them. */
let system: TestSystem;
let client: CreditsClient;

beforeAll(async () => {
  system = await createTestSystem('transfers');
  client = new CreditsClient(await system.startWeb(), system);
});
afterAll(() => system.remove());

const newUser = (credits: number) => client.newUser(uniqueName('user'), credits);
const transfer = (from_user_id: string, to_user_id: string, amount: number) =>
  client.post('/transfers', { from_user_id, to_user_id, amount });

async function grant(user_id: string): Promise<void> {
  const expires_at = new Date(Date.now() + 3_600_000).toISOString();
  await client.expect(201, client.post('/grants', { user_id, amount: 1, expires_at }));
}

test('a user who is not there is named, and one who has too little', async () => {
  const user = await newUser(5);
  const other = await newUser(5);
  for (const [from, to, amount, status, named] of [
    [user, 'nobody', 1, 404, 'nobody'],
    ['nobody', user, 1, 404, 'nobody'],
    [user, other, 6, 402, user],
  ] as const) {
    const problem = await client.expect(status, transfer(from, to, amount));
    expect(problem).toMatchObject({ user_id: named });
  }
  const same = await client.expect(422, transfer(user, user, 1));
  expect(same).toMatchObject({ reason: 'same-user' });
});

test('of what the other user cannot take the other one is named', async () => {
  const user = await newUser(50);
  const rich = await newUser(MOST_CREDITS);
  expect(await client.expect(409, transfer(user, rich, 1))).toMatchObject({
    reason: 'balance-too-large',
    user_id: rich,
  });
  const granted = await newUser(10);
  for (let count = 0; count < MOST_GRANTS; count++) await grant(granted);
  await grant(user);
  expect(await client.expect(409, transfer(user, granted, 1))).toMatchObject({
    reason: 'too-many-grants',
    user_id: granted,
  });
  // Credits without an end are taken by everybody.
  const plain = await newUser(5);
  await client.expect(201, transfer(plain, granted, 5));
  expect(await client.balance(user)).toEqual({ credits: 51, held: 0 });
});

test('the ledger is clean after all of it', () => expectCleanLedger(system));
