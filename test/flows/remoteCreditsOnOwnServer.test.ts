import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsServer } from '../../src/platforms/creditsServer.ts';
import { RemoteCredits } from '../../src/providers/credits/remote.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import {
  captureOf,
  releaseOf,
  reserved,
  reserveOf,
  testsOfEveryProvider,
} from '../providers/creditsConformance.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** Two installations: one keeps the credits and speaks the contract, the other charges them. */
const key = randomBytes(24).toString('base64url');
let keeping: TestSystem;
let charging: TestSystem;
let url: string;

beforeAll(async () => {
  keeping = await createTestSystem('credits-keeping');
  charging = await createTestSystem('credits-charging');
  ({ url } = await keeping.startWeb({ PENORA_API_KEY: key }));
});
afterAll(async () => {
  await keeping.remove();
  await charging.remove();
});

testsOfEveryProvider(() => ({
  provider: provider(),
  unknownUser: 'insufficient',
  addUser,
  topUp: async (userId, amount) => {
    await post('add-credits', { user_id: userId, amount });
  },
  creditsOf,
}));

test('the other side lists the deduction and what came back', async () => {
  const userId = await addUser(20);
  const reservation = await reserved(provider(), userId, 12);
  await provider().capture(captureOf(reservation, 5));
  await provider().release(releaseOf(reservation));
  const { all_transactions: transactions } = await get('transactions', userId);
  expect(transactions.slice(0, 2)).toMatchObject([
    { transaction_type: 'adjustment', amount: 7, description: 'Not used: Icon batch' },
    { transaction_type: 'used', amount: -12, description: 'Icon batch', app_name: 'icons' },
  ]);
});

test('the longest description is taken on the way back too', async () => {
  const userId = await addUser(20);
  const outcome = await provider().reserve(reserveOf(userId, 12, { description: 'x'.repeat(1_000) }));
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  await provider().release(releaseOf(outcome.reservation_id));
  expect(await creditsOf(userId)).toBe(20);
});

test('a wrong key is named', async () => {
  const userId = await addUser(20);
  const wrong = new RemoteCredits(
    charging.connection,
    new CreditsServer(url, 'wrong-key'),
    createLogger('worker', 'silent'),
  );
  expect(await wrong.reserve(reserveOf(userId, 1))).toMatchObject({
    kind: 'unavailable',
    reason: expect.stringContaining('CREDITS_REMOTE_KEY'),
  });
  expect(await creditsOf(userId)).toBe(20);
});

function provider(): RemoteCredits {
  return new RemoteCredits(
    charging.connection,
    new CreditsServer(url, key),
    createLogger('worker', 'silent'),
  );
}

async function addUser(credits: number): Promise<string> {
  const userId = uniqueName('user');
  const user = { user_id: userId, username: userId, email: `${userId}@example.test` };
  await post('create-user', { ...user, initial_credits: credits });
  return userId;
}

async function creditsOf(userId: string): Promise<number> {
  const { credits } = await get('user-info', userId);
  return credits;
}

async function post(operation: string, body: object): Promise<void> {
  const response = await fetch(`${url}/api/unified/${operation}`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

async function get(operation: string, userId: string) {
  const response = await fetch(`${url}/api/unified/${operation}?user_id=${userId}`, {
    headers: { 'x-api-key': key },
  });
  expect(response.status).toBe(200);
  return JSON.parse(await response.text());
}
