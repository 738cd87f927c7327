import mongoose from 'mongoose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MOST_CREDITS } from '../../src/domain/credits/limits.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { type BonusGiven, type BonusOnce, giveBonusToAll } from '../../src/models/ledgerBonus.ts';
import { importUsers } from '../../src/models/ledgerImport.ts';
import { listMovements } from '../../src/models/ledgerReads.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { balanceOf, carryOut, deduct, expectSound } from './ledgerCommands.ts';

const USERS = 450;

let system: TestSystem;

beforeEach(async () => {
  system = await createTestSystem('bonus');
});
afterEach(async () => {
  await expectSound(system.connection);
  await system.remove();
});

async function addUsers(): Promise<void> {
  await importUsers(
    system.connection,
    Array.from({ length: USERS }, (_, index) => ({
      user_id: `user-${index}`,
      username: 'Ann',
      email: 'ann@example.org',
      credits: 5,
    })),
  );
}

function bonus(id: string, fingerprint = 'body'): BonusOnce {
  const reply = (given: BonusGiven) => ({ status: 200, body: JSON.stringify(given) });
  return { id, fingerprint, reply };
}

const GIVEN = { status: 200, body: `{"users_updated":${USERS},"total_credits_distributed":${7 * USERS}}` };

/** How often each number of bonus movements of a user comes. */
async function bonusesByUser(): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let index = 0; index < USERS; index++) {
    const own = await listMovements(system.connection, { user_id: `user-${index}`, limit: 10 });
    const bonuses = own.filter((movement) => movement.kind === 'bonus').length;
    counts[bonuses] = (counts[bonuses] ?? 0) + 1;
  }
  return counts;
}

test('everybody gets it once, also when two processes are asked at once, while others spend', async () => {
  await addUsers();
  const ledger = new Ledger(system.connection);
  const other = await mongoose.createConnection(system.mongoUrl, { autoIndex: false }).asPromise();
  const [one, two] = await Promise.all([
    giveBonusToAll(system.connection, 7, bonus('run')),
    giveBonusToAll(other, 7, bonus('run')),
    ...Array.from({ length: 50 }, (_, index) => carryOut(ledger, deduct(`user-${index * 9}`))),
  ]);
  await other.close();
  expect([one, two].map((answer) => answer?.kind).toSorted()).toEqual(['first', 'replayed']);
  expect([one, two]).toMatchObject([{ reply: GIVEN }, { reply: GIVEN }]);
  expect(await bonusesByUser()).toEqual({ 1: USERS });
  expect(await balanceOf(system.connection, 'user-0')).toEqual([11, 0]);
  expect(await system.connection.collection('credit_bonus_runs').countDocuments()).toBe(0);
});

test('a run that broke off goes on where it was, under the same key only', async () => {
  await addUsers();
  const broken = {
    ...bonus('run'),
    reply: () => {
      throw new RangeError('crashed before the last page was committed');
    },
  };
  await expect(giveBonusToAll(system.connection, 7, broken)).rejects.toThrow(RangeError);
  expect(await bonusesByUser()).toEqual({ 0: 50, 1: 400 });
  expect(await giveBonusToAll(system.connection, 7, bonus('run', 'another body'))).toEqual({
    kind: 'other-request',
  });
  expect(await giveBonusToAll(system.connection, 7, bonus('run'))).toEqual({ kind: 'first', reply: GIVEN });
  expect(await bonusesByUser()).toEqual({ 1: USERS });
});

test('who has as many credits as there may be gets none and is not counted; nobody at all is fine', async () => {
  expect(await giveBonusToAll(system.connection, 7, bonus('nobody'))).toMatchObject({
    reply: { body: '{"users_updated":0,"total_credits_distributed":0}' },
  });
  const user = { username: 'Ann', email: 'ann@example.org' };
  await importUsers(system.connection, [
    { ...user, user_id: 'rich', credits: MOST_CREDITS },
    { ...user, user_id: 'poor', credits: 0 },
  ]);
  expect(await giveBonusToAll(system.connection, 7, bonus('run'))).toMatchObject({
    reply: { body: '{"users_updated":1,"total_credits_distributed":7}' },
  });
  expect(await balanceOf(system.connection, 'poor')).toEqual([7, 0]);
});
