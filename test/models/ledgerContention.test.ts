import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { accounts } from '../../src/models/ledgerDocuments.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { addUser, balanceOf, deduct, expectSound } from './ledgerCommands.ts';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem('ledgercontention');
});
afterAll(async () => {
  await expectSound(system.connection);
  await system.remove();
});

test('a deduction that somebody keeps from being committed is refused and never done; others go on', async () => {
  const { connection } = system;
  const ledger = new Ledger(connection);
  const locked = await addUser(connection, uniqueName('locked'), 10);
  const free = await addUser(connection, uniqueName('free'), 10);
  const session = await connection.startSession();
  try {
    session.startTransaction();
    await accounts(connection).updateOne({ _id: locked }, { $set: { username: 'locked' } }, { session });

    await expect(ledger.execute(deduct(locked))).rejects.toBeInstanceOf(ServiceUnavailableError);
    expect(await ledger.execute(deduct(free))).toMatchObject({ kind: 'done' });
    await session.abortTransaction();
  } finally {
    await session.endSession();
  }
  expect(await ledger.execute(deduct(locked))).toMatchObject({ kind: 'done' });
  expect(await balanceOf(connection, locked)).toEqual([9, 0]);
  expect(await balanceOf(connection, free)).toEqual([9, 0]);
});
