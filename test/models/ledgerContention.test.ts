import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { accounts } from '../../src/models/ledgerDocuments.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { addUser, balanceOf, deduct, expectSound, once } from './ledgerCommands.ts';

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

test('a deduction whose client has given up already is not begun, with a key or without', async () => {
  const { connection } = system;
  const ledger = new Ledger(connection);
  const user = await addUser(connection, uniqueName('user'), 10);
  const givenUp = performance.now() - 1_400;
  const key = once(uniqueName('key'));
  const answers = await Promise.allSettled([
    ledger.execute(deduct(user)),
    ledger.execute(deduct(user, 2), givenUp),
    ledger.executeOnce(deduct(user, 3), key, givenUp),
    ledger.execute(deduct(user)),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(answers[1]).toMatchObject({ reason: expect.any(ServiceUnavailableError) });
  expect(await balanceOf(connection, user)).toEqual([8, 0]);
  // The key was not used up.
  expect(await ledger.executeOnce(deduct(user, 3), key)).toMatchObject({ kind: 'first' });
});

test('a write that fails for one does not begin the others when their clients have given up meanwhile', async () => {
  const { connection } = system;
  const ledger = new Ledger(connection);
  const user = await addUser(connection, uniqueName('user'), 10);
  const failing = {
    ...once(uniqueName('key')),
    reply: () => {
      // The clients of the others give up meanwhile.
      const until = performance.now() + 650;
      while (performance.now() < until);
      throw new RangeError('no reply');
    },
  };
  const answers = await Promise.allSettled([
    ledger.executeOnce(deduct(user), failing),
    ledger.execute(deduct(user)),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await balanceOf(connection, user)).toEqual([10, 0]);
});
