import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LedgerInvariantError } from '../../src/domain/credits/booking.ts';
import { InvalidOperationError } from '../../src/domain/credits/checkOperation.ts';
import type { LedgerOutcome } from '../../src/domain/credits/ledger.ts';
import { Ledger } from '../../src/models/ledger.ts';
import type { LedgerChange } from '../../src/models/ledgerBook.ts';
import { findBalances, findHold, listMovements } from '../../src/models/ledgerReads.ts';
import { settleDueUsers } from '../../src/models/ledgerUpkeep.ts';
import { JUMP_MILLISECONDS, letOwnTimePass } from '../support/letTimePass.ts';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import {
  add,
  addUser,
  balanceOf,
  capture,
  carryOut,
  deduct,
  expectSound,
  hold,
  once,
  patiently,
  tally,
} from './ledgerCommands.ts';

const CLIENT = 'test/models/ledgerClient.ts';

let system: TestSystem;
let other: Connection;
let ledgers: readonly Ledger[];

beforeAll(async () => {
  system = await createTestSystem('ledger');
  other = await mongoose.createConnection(system.mongoUrl, { autoIndex: false }).asPromise();
  ledgers = [new Ledger(system.connection), new Ledger(other)];
});
afterAll(async () => {
  await expectSound(system.connection);
  await other.close();
  await system.remove();
});

/** One of the two, on a connection of its own each. */
function ledger(number = 0): Ledger {
  const chosen = ledgers[number % ledgers.length];
  if (!chosen) throw new RangeError('There are two ledgers');
  return chosen;
}

function newUser(credits: number): Promise<string> {
  return addUser(system.connection, uniqueName('user'), credits);
}

describe('oversell', () => {
  test.each([0, 1, 137, 499])('of 500 deductions from %i as many succeed as can', async (credits) => {
    const user = await newUser(credits);
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, index) => patiently(ledger(index), deduct(user))),
    );
    expect(tally(outcomes).done ?? 0).toBe(credits);
    expect(await balanceOf(system.connection, user)).toEqual([0, 0]);
    const after = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? outcome.balances : []));
    expect(after.map((balance) => balance.available).sort((one, two) => two - one)).toEqual(
      Array.from({ length: credits }, (_, index) => credits - 1 - index),
    );
  });

  test('with holds and captures in between', async () => {
    const user = await newUser(300);
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, async (_, index): Promise<LedgerOutcome> => {
        if (index % 3 > 0) return patiently(ledger(index), deduct(user));
        const command = hold(user, 1);
        const outcome = await patiently(ledger(index), command);
        if (outcome.kind === 'done' && index % 2 === 0) {
          return patiently(ledger(index + 1), capture(command.hold_id));
        }
        return outcome;
      }),
    );
    expect(tally(outcomes)).toEqual({ done: 300, 'insufficient-credits': 200 });
    const [available, held] = await balanceOf(system.connection, user);
    const open = outcomes.filter((outcome) => outcome.kind === 'done' && outcome.hold?.status === 'open');
    expect([available, held]).toEqual([0, open.length]);
  });

  test('by three processes at once', async () => {
    const user = await newUser(350);
    const clients = Array.from({ length: 3 }, () =>
      startProcess(CLIENT, {}, [system.mongoUrl, 'deduct', user, '200']),
    );
    const lines = await Promise.all(clients.map((client) => client.line((line) => line.includes('result'))));
    await Promise.all(clients.map((client) => client.exited));
    const results = lines.map((line) => JSON.parse(line).result);
    expect(results.reduce((sum, result) => sum + (result.done ?? 0), 0)).toBe(350);
    const [available, held] = await balanceOf(system.connection, user);
    expect(available).toBe(0);
    expect(held).toBeGreaterThan(0);
  });
});

describe('a hold is resolved once', () => {
  test('by one of a hundred captures', async () => {
    const user = await newUser(100);
    const command = hold(user, 40);
    await carryOut(ledger(), command);
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) => patiently(ledger(index), capture(command.hold_id, 30))),
    );
    expect(tally(outcomes)).toEqual({ done: 1, 'hold-not-open': 99 });
    expect(await balanceOf(system.connection, user)).toEqual([70, 0]);
  });

  test('by captures, releases and its end, whoever comes first', async () => {
    const user = await newUser(1_000);
    const commands = Array.from({ length: 30 }, (_, index) => hold(user, 10, JUMP_MILLISECONDS + 10 * index));
    await Promise.all(commands.map((command) => carryOut(ledger(), command)));
    // The first one ends in a moment.
    letOwnTimePass((commands[0]?.expires_at ?? 0) - Date.now() - 100);
    const racing = commands.map(async ({ hold_id, expires_at }, index) => {
      const moment = expires_at - Date.now() - 10 + (index % 5) * 5;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, moment)));
      const outcomes = await Promise.all([
        patiently(ledger(index), capture(hold_id)),
        patiently(ledger(index + 1), { kind: 'release', hold_id }),
        settleAll(),
      ]);
      return outcomes.filter((outcome) => outcome?.kind === 'done').length;
    });
    for (const won of await Promise.all(racing)) expect(won).toBeLessThanOrEqual(1);
    await settleAll();
    const ended = await Promise.all(commands.map(({ hold_id }) => findHold(system.connection, hold_id)));
    const captured = ended.filter((found) => found?.status === 'captured').length;
    expect(ended.filter((found) => found?.status === 'open')).toEqual([]);
    expect(await balanceOf(system.connection, user)).toEqual([1_000 - 10 * captured, 0]);
  });

  async function settleAll(): Promise<undefined> {
    for await (const { failures } of settleDueUsers(other)) expect(failures).toEqual([]);
  }
});

test('of a hundred refunds of one deduction one is done, and the others are told which', async () => {
  const user = await newUser(100);
  const [spent] = (await carryOut(ledger(), deduct(user, 30))).movements;
  const refund = { kind: 'refund', movement_id: spent?.movement_id ?? '', description: 'Sorry' } as const;
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) => patiently(ledger(index), refund)),
  );
  expect(tally(outcomes)).toEqual({ done: 1, 'already-refunded': 99 });
  expect(await balanceOf(system.connection, user)).toEqual([100, 0]);
});

test('a process that is killed in the middle leaves no half a movement', async () => {
  const users = [await newUser(1_000), await newUser(1_000)];
  const client = startProcess(CLIENT, {}, [system.mongoUrl, 'transfer', '60000', ...users]);
  await waitFor('the client is at work', async () => {
    const [first] = await findBalances(system.connection, users.slice(0, 1));
    return first && first.version > 200 ? true : undefined;
  });
  client.kill('SIGKILL');
  await client.exited;
  const balances = await findBalances(system.connection, users);
  expect(balances.reduce((sum, balance) => sum + balance.available, 0)).toBe(2_000);
  await expectSound(system.connection);
});

describe('one write for many', () => {
  test('each command sees what the ones before have done, in the order in which they came', async () => {
    const user = await newUser(1);
    const outcomes = await Promise.all([
      ledger().execute(deduct(user, 5)),
      ledger().execute(add(user, 9)),
      ledger().execute(deduct(user, 10)),
      ledger().execute(deduct(user, 1)),
    ]);
    expect(outcomes.map((outcome) => (outcome.kind === 'done' ? 'done' : outcome.reason))).toEqual([
      'insufficient-credits',
      'done',
      'done',
      'insufficient-credits',
    ]);
    const movements = await listMovements(system.connection, { user_id: user, limit: 10 });
    expect(movements.map((movement) => movement.kind)).toEqual(['deduction', 'addition', 'opening']);
  });

  test('one that cannot be carried out takes no other along', async () => {
    const user = await newUser(10);
    const taken = hold(user, 1);
    await carryOut(ledger(), taken);
    const [one, defect, two, unanswerable] = await Promise.allSettled([
      ledger().execute(deduct(user)),
      ledger().execute(taken),
      ledger().execute(deduct(user)),
      ledger().executeOnce(deduct(user), {
        ...once(uniqueName('key')),
        reply: () => {
          throw new RangeError('no reply');
        },
      }),
    ]);
    expect([one, two]).toMatchObject([{ value: { kind: 'done' } }, { value: { kind: 'done' } }]);
    expect(defect).toMatchObject({ reason: expect.any(LedgerInvariantError) });
    expect(unanswerable).toMatchObject({ reason: expect.any(RangeError) });
    expect(await balanceOf(system.connection, user)).toEqual([7, 1]);
  });

  test('what is no amount is refused before it joins the others', async () => {
    const user = await newUser(10);
    await expect(ledger().execute(deduct(user, -5))).rejects.toThrow(InvalidOperationError);
    expect(await balanceOf(system.connection, user)).toEqual([10, 0]);
  });

  test('many new users at once, two of them the same', async () => {
    const name = uniqueName('new');
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        ledger(index).execute({
          kind: 'create-user',
          user_id: `${name}-${index % 20}`,
          username: 'Ann',
          email: 'ann@example.org',
          initial_credits: 60,
        }),
      ),
    );
    const made = outcomes.filter((outcome) => outcome.kind === 'done' && outcome.movements.length === 2);
    expect(made).toHaveLength(20);
    const balances = await findBalances(
      system.connection,
      Array.from({ length: 20 }, (_, index) => `${name}-${index}`),
    );
    expect(balances.map((balance) => balance.available)).toEqual(Array(20).fill(60));
  });
});

test('what a commit has changed is told after it, a fall below the threshold with an event', async () => {
  const changes: LedgerChange[] = [];
  const telling = new Ledger(system.connection, { onChange: (change) => changes.push(change) });
  const user = await newUser(10);
  await carryOut(telling, { kind: 'set-threshold', user_id: user, threshold: 8 });
  expect(changes).toEqual([]);
  await carryOut(telling, deduct(user, 2));
  await telling.execute(deduct(user, 100));
  expect(changes).toEqual([{ user_ids: [user], event_ids: [] }]);
  await Promise.all([telling.execute(deduct(user)), telling.execute(deduct(user))]);
  const event_ids = changes.flatMap((change) => change.event_ids);
  expect(event_ids).toHaveLength(1);
  const events = await system.connection.collection('event_outbox').find({ 'data.user_id': user }).toArray();
  expect(events).toMatchObject([
    {
      _id: event_ids[0],
      type: 'credits.low',
      data: { user_id: user, credits: 7, threshold: 8 },
      state: 'waiting',
    },
  ]);
});
