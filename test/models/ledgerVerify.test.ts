import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerDrift } from '../../src/domain/credits/recount.ts';
import { Ledger } from '../../src/models/ledger.ts';
import {
  type AccountDocument,
  accounts,
  type HoldDocument,
  holds,
  type MovementDocument,
  movements,
} from '../../src/models/ledgerDocuments.ts';
import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { add, addUser, capture, carryOut, deduct, hold, transfer } from './ledgerCommands.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('verify');
  const ledger = new Ledger(system.connection);
  for (const user of ['ann', 'bob']) await addUser(system.connection, user, 100);
  await carryOut(ledger, add('ann', 20, Date.now() + 3_600_000));
  const [spent] = (await carryOut(ledger, deduct('ann', 7))).movements;
  await carryOut(ledger, deduct('ann', 4));
  await carryOut(ledger, { kind: 'refund', movement_id: spent?.movement_id ?? '', description: '' });
  await carryOut(ledger, transfer('ann', 'bob', 3));
  await carryOut(ledger, hold('ann', 10, 3_600_000, 'open'));
  await carryOut(ledger, capture('open', 4, false));
  await carryOut(ledger, hold('bob', 10, 3_600_000, 'captured'));
  await carryOut(ledger, capture('captured', 4));
});
afterAll(() => system.remove());

function kinds(drifts: readonly LedgerDrift[]): string[] {
  return [...new Set(drifts.map((drift) => `${drift.kind} ${drift.account}`))];
}

test('a ledger that is as it was written has no drift', async () => {
  const verification = await verifyLedger(system.connection, 10);
  expect(verification).toMatchObject({ users: 2, holds: 2, drifted: 0, drifts: [] });
  expect(Object.fromEntries(verification.totals)).toEqual({
    issuance: -220n,
    'app:imagegene': 4n,
    'app:penora': 8n,
  });
});

describe('a planted fault is found', () => {
  const plantAccount = async (user: string, change: Partial<AccountDocument>) => {
    await accounts(system.connection).updateOne({ _id: user }, { $set: change });
  };
  const plantHold = async (id: string, change: Partial<HoldDocument>) => {
    await holds(system.connection).updateOne({ _id: id }, { $set: change });
  };
  /** Changes the first movement of a kind. */
  const plantMovement = async (
    kind: MovementDocument['kind'],
    change: (movement: MovementDocument) => Partial<MovementDocument>,
  ) => {
    const found = await movements(system.connection).find({ kind }).sort({ _id: 1 }).limit(1).toArray();
    const [movement] = found;
    if (!movement) throw new Error(`There is no ${kind}`);
    await movements(system.connection).updateOne({ _id: movement._id }, { $set: change(movement) });
  };

  const faults: [what: string, plant: () => Promise<unknown>, expected: string[]][] = [
    ['a balance', () => plantAccount('ann', { available: 1_000 }), ['available user:ann']],
    ['what is held', () => plantAccount('ann', { held: 0 }), ['held held:ann', 'open-holds held:ann']],
    ['the number of movements', () => plantAccount('ann', { version: 99 }), ['gap user:ann']],
    ['a grant that is gone', () => plantAccount('ann', { grants: [] }), ['grant user:ann']],
    [
      'more left of a grant',
      async () => {
        const ann = await accounts(system.connection).findOne({ _id: 'ann' });
        const grants = ann?.grants.map((grant) => ({ ...grant, remaining: grant.remaining + 1 })) ?? [];
        await plantAccount('ann', { grants });
      },
      ['grant user:ann'],
    ],
    [
      'an account that is gone',
      () => accounts(system.connection).deleteOne({ _id: 'bob' }),
      ['missing user:bob'],
    ],
    [
      'an amount',
      () =>
        plantMovement('deduction', ({ entries }) => ({
          entries: entries.map((entry) => ({ ...entry, amount: entry.amount * 2 })),
        })),
      ['chain user:ann', 'available user:ann', 'refund movement:'],
    ],
    [
      'one entry',
      () =>
        plantMovement('addition', ({ entries }) => ({
          entries: entries.map((entry, index) =>
            index === 0 ? { ...entry, amount: entry.amount - 1 } : entry,
          ),
        })),
      ['unbalanced movement:'],
    ],
    [
      'a balance that a movement states',
      () =>
        plantMovement('transfer', ({ balances }) => ({
          balances: balances.map((balance) => ({ ...balance, available: balance.available + 1 })),
        })),
      ['chain user:ann', 'chain user:bob'],
    ],
    [
      'a movement that is gone',
      () => movements(system.connection).deleteOne({ kind: 'transfer' }),
      ['gap user:ann', 'gap user:bob', 'available user:ann', 'available user:bob'],
    ],
    ['the amount of a hold', () => plantHold('captured', { amount: 11 }), ['hold hold:captured']],
    ['what was captured', () => plantHold('captured', { captured: 5 }), ['hold hold:captured']],
    [
      'the status of a hold',
      () => plantHold('open', { status: 'released' }),
      ['hold hold:open', 'open-holds held:ann'],
    ],
    [
      'a hold that is gone',
      () => holds(system.connection).deleteOne({ _id: 'captured' }),
      ['missing hold:captured'],
    ],
    [
      'a balance below zero',
      () =>
        plantMovement('opening', ({ balances }) => ({
          balances: balances.map((balance) => ({ ...balance, available: -1 })),
        })),
      ['chain user:ann', 'negative user:ann'],
    ],
    [
      'more taken back than an app has earned',
      () =>
        plantMovement('capture', ({ entries }) => ({
          entries: entries.map((entry) => ({ ...entry, amount: -100 * entry.amount })),
        })),
      ['negative app:penora'],
    ],
  ];

  test.each(faults)('%s', async (_what, plant, expected) => {
    const before = await snapshot();
    await plant();
    const { drifted, drifts } = await verifyLedger(system.connection, 100);
    await restore(before);
    expect(drifted).toBe(drifts.length);
    const found = kinds(drifts);
    for (const drift of expected) expect(found).toContainEqual(expect.stringContaining(drift));
    expect((await verifyLedger(system.connection, 100)).drifted).toBe(0);
  });

  test('all are counted, the first ones are listed', async () => {
    const before = await snapshot();
    await accounts(system.connection).updateMany({}, { $inc: { available: 1 } });
    const { drifted, drifts } = await verifyLedger(system.connection, 1);
    await restore(before);
    expect([drifted, drifts.length]).toEqual([2, 1]);
  });

  async function snapshot() {
    return {
      accounts: await accounts(system.connection).find().toArray(),
      holds: await holds(system.connection).find().toArray(),
      movements: await movements(system.connection).find().toArray(),
    };
  }

  async function restore(before: Awaited<ReturnType<typeof snapshot>>): Promise<void> {
    await accounts(system.connection).deleteMany({});
    await accounts(system.connection).insertMany(before.accounts);
    await holds(system.connection).deleteMany({});
    await holds(system.connection).insertMany(before.holds);
    await movements(system.connection).deleteMany({});
    await movements(system.connection).insertMany(before.movements);
  }
});
