import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OnceAnswer } from '../../src/models/idempotency.ts';
import { runOnce } from '../../src/models/idempotency.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { addUser, balanceOf, deduct, expectSound, once } from './ledgerCommands.ts';

let system: TestSystem;
let other: Connection;
let ledgers: readonly [Ledger, Ledger];

beforeAll(async () => {
  system = await createTestSystem('once');
  other = await mongoose.createConnection(system.mongoUrl, { autoIndex: false }).asPromise();
  ledgers = [new Ledger(system.connection), new Ledger(other)];
});
afterAll(async () => {
  await expectSound(system.connection);
  await other.close();
  await system.remove();
});

function bodyOf(answer: OnceAnswer): string {
  return answer.kind === 'other-request' ? answer.kind : answer.reply.body;
}

test('a key that is used a hundred times at once has one effect and one answer', async () => {
  const user = await addUser(system.connection, uniqueName('user'), 50);
  const key = once(uniqueName('key'));
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      ledgers[index % 2 === 0 ? 0 : 1].executeOnce(deduct(user, 3), key),
    ),
  );
  expect(answers.filter((answer) => answer.kind === 'first')).toHaveLength(1);
  expect(answers.filter((answer) => answer.kind === 'replayed')).toHaveLength(99);
  expect(new Set(answers.map(bodyOf)).size).toBe(1);
  expect(await balanceOf(system.connection, user)).toEqual([47, 0]);
  expect(bodyOf(await ledgers[1].executeOnce(deduct(user, 3), key))).toBe(answers.map(bodyOf)[0]);
});

test('the same key for another request does nothing, in the same write and later', async () => {
  const user = await addUser(system.connection, uniqueName('user'), 50);
  const id = uniqueName('key');
  const answers = await Promise.all([
    ledgers[0].executeOnce(deduct(user, 3), once(id, 'three')),
    ledgers[0].executeOnce(deduct(user, 4), once(id, 'four')),
  ]);
  expect(answers.map((answer) => answer.kind)).toEqual(['first', 'other-request']);
  expect(await ledgers[1].executeOnce(deduct(user, 4), once(id, 'four'))).toEqual({ kind: 'other-request' });
  expect(await balanceOf(system.connection, user)).toEqual([47, 0]);
});

test('a refusal is replayed, also when the credits have come since', async () => {
  const user = await addUser(system.connection, uniqueName('user'), 2);
  const key = once(uniqueName('key'));
  const refused = await ledgers[0].executeOnce(deduct(user, 3), key);
  expect(JSON.parse(bodyOf(refused))).toMatchObject({ reason: 'insufficient-credits' });
  await ledgers[0].execute({
    kind: 'add',
    user_id: user,
    amount: 100,
    app_name: 'system',
    transaction_type: 'purchase',
    description: '',
  });
  expect(await ledgers[0].executeOnce(deduct(user, 3), key)).toMatchObject({ kind: 'replayed' });
  expect(await balanceOf(system.connection, user)).toEqual([102, 0]);
});

test('a command that cannot be carried out does not use its key up', async () => {
  const user = await addUser(system.connection, uniqueName('user'), 10);
  const key = once(uniqueName('key'));
  const failing = {
    ...key,
    reply: () => {
      throw new RangeError('no reply');
    },
  };
  await expect(ledgers[0].executeOnce(deduct(user, 3), failing)).rejects.toThrow(RangeError);
  expect(await balanceOf(system.connection, user)).toEqual([10, 0]);
  expect(await ledgers[0].executeOnce(deduct(user, 3), key)).toMatchObject({ kind: 'first' });
});

test('a write beside the ledger is run once as well, and an error leaves nothing', async () => {
  const writes = system.connection.collection<{ _id: string }>('writes_of_a_test');
  const key = { id: uniqueName('key'), fingerprint: 'body' };
  const write = (name: string, fails = false) =>
    runOnce(system.connection, key, async (session) => {
      await writes.insertOne({ _id: name }, { session });
      if (fails) throw new RangeError('too late');
      return { status: 201, body: JSON.stringify({ name }) };
    });
  await expect(write('failed', true)).rejects.toThrow(RangeError);
  const answers = await Promise.all([write('one'), write('two'), write('three')]);
  expect(answers.filter((answer) => answer.kind === 'first')).toHaveLength(1);
  expect(new Set(answers.map(bodyOf)).size).toBe(1);
  const stored = await writes.find().toArray();
  expect(stored.map(({ _id }) => JSON.stringify({ name: _id }))).toEqual([answers.map(bodyOf)[0]]);
  const otherBody = { ...key, fingerprint: 'another' };
  expect(await runOnce(system.connection, otherBody, () => Promise.reject(new Error('not run')))).toEqual({
    kind: 'other-request',
  });
});
