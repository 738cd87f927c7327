import mongoose from 'mongoose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { findHold, listMovements } from '../../src/models/ledgerReads.ts';
import { type SettledUsers, settleDueUsers } from '../../src/models/ledgerUpkeep.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { creditsUpkeepQueue } from '../../src/queues/credits.ts';
import { webhooksQueue } from '../../src/queues/webhooks.ts';
import { balanceChannel } from '../../src/runtime/balanceFeed.ts';
import { creditsSchedule } from '../../src/schedules/credits.ts';
import { JUMP_MILLISECONDS, letOwnTimePass } from '../support/letTimePass.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { add, addUser, balanceOf, carryOut, expectSound, hold, patiently } from './ledgerCommands.ts';

let system: TestSystem;
let ledger: Ledger;

beforeEach(async () => {
  system = await createTestSystem('upkeep');
  ledger = new Ledger(system.connection);
});
afterEach(() => system.remove());

async function settleAll(connection = system.connection): Promise<SettledUsers[]> {
  const pages = [];
  for await (const page of settleDueUsers(connection)) pages.push(page);
  return pages;
}

test('overdue holds give back their credits and lapsed grants go, of many users, in pages', async () => {
  const users = Array.from({ length: 120 }, (_, index) => `user-${String(index).padStart(3, '0')}`);
  for (const user of users) await addUser(system.connection, user, 10);
  const end = Date.now() + JUMP_MILLISECONDS;
  await Promise.all(
    users.flatMap((user) => [
      patiently(ledger, add(user, 5, end)),
      patiently(ledger, hold(user, 7, JUMP_MILLISECONDS)),
      patiently(ledger, hold(user, 1, 3 * JUMP_MILLISECONDS)),
    ]),
  );
  expect(await settleAll()).toEqual([]);
  letOwnTimePass(2 * JUMP_MILLISECONDS);
  const other = await mongoose.createConnection(system.mongoUrl, { autoIndex: false }).asPromise();
  const pages = (await Promise.all([settleAll(), settleAll(other)])).flat();
  await other.close();
  expect(pages.every((page) => page.user_ids.length <= 50)).toBe(true);
  expect(new Set(pages.flatMap((page) => page.user_ids))).toEqual(new Set(users));
  for (const user of users) expect(await balanceOf(system.connection, user)).toEqual([9, 1]);
  const kinds = await listMovements(system.connection, { user_id: 'user-007', limit: 10 });
  expect(kinds.map((movement) => movement.kind).filter((kind) => kind === 'release')).toHaveLength(1);
  expect(await settleAll()).toEqual([]);
  await expectSound(system.connection);
});

test('an account that is not sound keeps nobody else from getting credits back', async () => {
  const users = ['ann', 'bob', 'cid'];
  const holds = [];
  for (const user of users) {
    await addUser(system.connection, user, 10);
    const command = hold(user, 7, JUMP_MILLISECONDS);
    await carryOut(ledger, command);
    holds.push(command);
  }
  await system.connection
    .collection<{ _id: string }>('credit_accounts')
    .updateOne({ _id: 'bob' }, { $set: { held: 1 } });
  letOwnTimePass();
  const pages = await settleAll();
  expect(pages).toMatchObject([{ user_ids: ['ann', 'cid'], failures: [{ user_id: 'bob' }] }]);
  expect(await balanceOf(system.connection, 'cid')).toEqual([10, 0]);
});

test('the job of the tick settles, tells whose balance has changed, and starts the events', async () => {
  await addUser(system.connection, 'ann', 10);
  const command = hold('ann', 7, JUMP_MILLISECONDS);
  await carryOut(ledger, command);
  await addUser(system.connection, 'bob', 3);
  await carryOut(ledger, { kind: 'set-threshold', user_id: 'bob', threshold: 4 });
  await carryOut(ledger, add('bob', 5, command.expires_at));
  const told: string[] = [];
  const listening = system.redis.duplicate();
  listening.on('message', (_channel, message) => told.push(message));
  await listening.subscribe(balanceChannel(system.prefix));
  letOwnTimePass();

  const queues = openQueues(system.redis, system.prefix);
  const queue = queues.of(creditsUpkeepQueue);
  const stop = await startLocalWorkers(system, {}, ['credits-upkeep']);
  const tick = new Date('2026-01-05T09:30:00Z');
  for (const entry of [creditsSchedule(system.redis, queues), creditsSchedule(system.redis, queues)].flat()) {
    await entry.onTick(tick);
  }
  await waitFor('the end of the job', async () =>
    (await queue.getCompletedCount()) === 1 ? true : undefined,
  );
  await waitFor('word of the change', async () => (told.length === 2 ? true : undefined));
  await stop();
  expect(told.flatMap((message) => JSON.parse(message))).toEqual(['ann', 'bob']);
  expect(await findHold(system.connection, command.hold_id)).toMatchObject({ status: 'expired' });
  expect(await balanceOf(system.connection, 'ann')).toEqual([10, 0]);
  expect(await balanceOf(system.connection, 'bob')).toEqual([3, 0]);
  const [event] = await system.connection.collection('event_outbox').find().toArray();
  expect(event).toMatchObject({ type: 'credits.low', data: { user_id: 'bob', credits: 3, threshold: 4 } });
  const fanOuts = await queues.of(webhooksQueue).getWaiting();
  expect(fanOuts.map((job) => job.data.payload)).toEqual([{ event_id: event?._id }]);
  listening.disconnect();
  await queues.close();
  await expectSound(system.connection);
});
