import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { holds } from '../../src/models/ledgerDocuments.ts';
import { findHold } from '../../src/models/ledgerReads.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import {
  addUser,
  balanceOf,
  capture,
  carryOut,
  deduct,
  expectSound,
  hold,
  patiently,
  transfer,
} from './ledgerCommands.ts';

/** More overdue holds than one transaction ends. */
let system: TestSystem;
let ledger: Ledger;

beforeAll(async () => {
  system = await createTestSystem('ledgeroverdue');
  ledger = new Ledger(system.connection);
});
afterAll(async () => {
  await expectSound(system.connection);
  await system.remove();
});

/** A user whose credits are all in holds of 1 that are past their end, and that nobody has ended yet. */
async function overdueUser(count: number, secondsAgo = 10): Promise<string> {
  const user = await addUser(system.connection, uniqueName('user'), count);
  await Promise.all(Array.from({ length: count }, () => carryOut(ledger, hold(user, 1))));
  await holds(system.connection).updateMany(
    { user_id: user },
    { $set: { expires_at: new Date(Date.now() - secondsAgo * 1_000) } },
  );
  expect(await balanceOf(system.connection, user)).toEqual([count, 0]);
  return user;
}

test('nobody is refused for want of credits because of the overdue holds of others', async () => {
  const crowd = await overdueUser(600, 60);
  const [ann, bob] = [await overdueUser(10), await overdueUser(10)];
  const cid = await addUser(system.connection, uniqueName('user'), 10);
  const commands = [deduct(crowd, 1), deduct(ann, 10), transfer(bob, cid, 10), deduct(cid, 5)];
  // Each under a key, which would keep a refusal.
  const outcomes = await Promise.all(commands.map((command) => patiently(ledger, command)));
  expect(outcomes.map(({ kind }) => kind)).toEqual(['done', 'done', 'done', 'done']);
  expect(await balanceOf(system.connection, crowd)).toEqual([599, 0]);
  expect(await balanceOf(system.connection, ann)).toEqual([0, 0]);
  expect(await balanceOf(system.connection, bob)).toEqual([0, 0]);
  expect(await balanceOf(system.connection, cid)).toEqual([15, 0]);
});

test('whoever has very many overdue holds can spend what they give back', async () => {
  const user = await overdueUser(1_700);
  const outcomes = await Promise.all([
    patiently(ledger, deduct(user, 1_000)),
    patiently(ledger, deduct(user, 700)),
  ]);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['done', 'done']);
  expect(await patiently(ledger, deduct(user))).toMatchObject({ reason: 'insufficient-credits' });
});

test('a balance that is told counts all of them, and an open hold beside them can be captured', async () => {
  const user = await overdueUser(700);
  await carryOut(ledger, { kind: 'set-threshold', user_id: user, threshold: 650 });
  expect(await balanceOf(system.connection, user)).toEqual([700, 0]);
  const more = await overdueUser(700);
  await carryOut(ledger, transfer(user, more, 100));
  const [command, other] = [hold(user, 50), await overdueUser(600)];
  await carryOut(ledger, command);
  const captured = await carryOut(ledger, capture(command.hold_id, 20));
  expect(captured.balances).toMatchObject([{ available: 580, held: 0 }]);
  expect(await findHold(system.connection, command.hold_id)).toMatchObject({ status: 'captured' });
  const added = await carryOut(ledger, transfer(user, other, 1));
  expect(added.balances).toMatchObject([{ available: 579 }, { available: 601 }]);
});
