import { afterAll, beforeAll, expect, test } from 'vitest';
import { Ledger } from '../../src/models/ledger.ts';
import { balanceAt } from '../../src/models/ledgerBalanceAt.ts';
import { holds } from '../../src/models/ledgerDocuments.ts';
import {
  findBalances,
  findHold,
  findLedgerUser,
  listHolds,
  listMovements,
} from '../../src/models/ledgerReads.ts';
import { settleUsers } from '../../src/models/ledgerSettle.ts';
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
  transfer,
} from './ledgerCommands.ts';

let system: TestSystem;
let ledger: Ledger;

beforeAll(async () => {
  system = await createTestSystem('reads');
  ledger = new Ledger(system.connection);
});
afterAll(async () => {
  await expectSound(system.connection);
  await system.remove();
});

function newUser(credits: number): Promise<string> {
  return addUser(system.connection, uniqueName('user'), credits);
}

/** Resolves in a later millisecond, so that a moment lies between what was and what comes. */
function nextMillisecond(): Promise<number> {
  const now = Date.now();
  return waitFor('the next millisecond', async () => (Date.now() > now + 1 ? now + 1 : undefined));
}

function until(time: number): Promise<true> {
  return waitFor('the time', async () => (Date.now() > time ? true : undefined));
}

test('unknown users have no balance, and every user has one', async () => {
  const [ann, bob] = [await newUser(5), await newUser(7)];
  const balances = await findBalances(system.connection, [ann, 'nobody', bob, ann]);
  expect(balances.toSorted((one, other) => one.available - other.available)).toEqual([
    { user_id: ann, available: 5, held: 0, version: 1 },
    { user_id: bob, available: 7, held: 0, version: 1 },
  ]);
  expect(await findBalances(system.connection, [])).toEqual([]);
  expect(await findLedgerUser(system.connection, 'nobody')).toBeUndefined();
  expect(await findLedgerUser(system.connection, ann)).toEqual({
    user_id: ann,
    username: ann,
    email: `${ann}@example.org`,
    available: 5,
    held: 0,
    version: 1,
    low_threshold: null,
    created_at: expect.any(Number),
  });
});

test('a balance at a time is what was there then: holds taken off, lapses too, booked or not', async () => {
  const user = await newUser(10);
  const before = (await findLedgerUser(system.connection, user))?.created_at ?? 0;
  const opened = await nextMillisecond();
  const end = Date.now() + 2_000;
  await carryOut(ledger, add(user, 6, end));
  const granted = await nextMillisecond();
  const command = hold(user, 9);
  await carryOut(ledger, command);
  const held = await nextMillisecond();
  await carryOut(ledger, capture(command.hold_id, 2, false));
  await carryOut(ledger, capture(command.hold_id, 3, false));
  const captured = await nextMillisecond();
  await carryOut(ledger, { kind: 'release', hold_id: command.hold_id });
  const released = await nextMillisecond();
  const at = (time: number) => balanceAt(system.connection, user, time);
  const expectHistory = async () => {
    expect(await at(before - 1)).toBe(0);
    expect(await at(opened)).toBe(10);
    expect(await at(granted)).toBe(16);
    expect(await at(held)).toBe(7);
    expect(await at(captured)).toBe(7);
    expect(await at(released)).toBe(11);
    expect(await at(end - 1)).toBe(11);
    expect(await at(end)).toBe(10);
  };
  await expectHistory();
  await until(end + 20);
  const lapsed = end + 10;
  await expectHistory();
  expect(await balanceOf(system.connection, user)).toEqual([10, 0]);
  // The lapse is booked now, long after it.
  await carryOut(ledger, deduct(user, 4));
  await expectHistory();
  expect(await at(lapsed)).toBe(10);
  expect(await at(Date.now())).toBe(6);
  expect(await balanceAt(system.connection, 'nobody', 0)).toBeUndefined();
});

test('what ended holds give back counts in the balance at a time, booked or not', async () => {
  const user = await newUser(20);
  const now = Date.now();
  const [first, second, third, last] = [now + 3_000, now + 3_200, now + 3_400, now + 3_600];
  // Spent soonest first: the short hold takes what lapses first, the other the rest of it and some that stays.
  await carryOut(ledger, add(user, 6, second));
  const short = { ...hold(user, 4), expires_at: first };
  const long = { ...hold(user, 7), expires_at: third };
  await carryOut(ledger, short);
  await carryOut(ledger, long);
  await carryOut(ledger, capture(long.hold_id, 1, false));
  const kept = hold(user, 5);
  await carryOut(ledger, kept);
  // Of the 26: 5 and 6 are held, 4 come back at the first moment and lapse at the second; 1 of the long hold lapses there too.
  const moments = [first - 1, first, second - 1, second, third - 1, third, last];
  const wanted = [10, 14, 14, 10, 10, 15, 15];
  const history = () => Promise.all(moments.map((at) => balanceAt(system.connection, user, at)));
  expect(await history()).toEqual(wanted);
  await until(first);
  expect(await balanceAt(system.connection, user, Date.now())).toBe(
    (await balanceOf(system.connection, user))[0],
  );
  await until(last);
  expect(await history()).toEqual(wanted);
  expect(await balanceOf(system.connection, user)).toEqual([15, 5]);
  // All that has ended is booked now, long after it.
  await carryOut(ledger, deduct(user, 4));
  expect(await history()).toEqual(wanted);
  expect(await balanceAt(system.connection, user, Date.now())).toBe(11);
  await carryOut(ledger, { kind: 'release', hold_id: kept.hold_id });
  expect(await history()).toEqual(wanted);
});

test('many ended holds count in the balance at a time while they are booked little by little', async () => {
  const count = 700;
  const user = await newUser(count);
  await Promise.all(Array.from({ length: count }, () => carryOut(ledger, hold(user, 1))));
  const ended = new Date();
  await holds(system.connection).updateMany({ user_id: user }, { $set: { expires_at: ended } });
  const at = Math.max(ended.getTime(), (await nextMillisecond()) - 1);
  expect(await balanceAt(system.connection, user, at)).toBe(count);
  await nextMillisecond();
  expect(await settleUsers(system.connection, [user])).toMatchObject({ unfinished: [user] });
  expect(await balanceAt(system.connection, user, at)).toBe(count);
  await carryOut(ledger, deduct(user, count));
  expect(await balanceAt(system.connection, user, at)).toBe(count);
  expect(await balanceAt(system.connection, user, Date.now())).toBe(0);
});

test('movements are listed newest first, in pages and ranges of time, on both sides of a transfer', async () => {
  const [ann, bob] = [await newUser(100), await newUser(100)];
  const command = hold(ann, 5);
  await carryOut(ledger, command);
  await carryOut(ledger, capture(command.hold_id, 2));
  const middle = await nextMillisecond();
  await carryOut(ledger, transfer(ann, bob, 7));
  await Promise.all(Array.from({ length: 20 }, () => carryOut(ledger, deduct(ann))));
  const list = (query: object) =>
    listMovements(system.connection, { user_id: ann, limit: 100, ...query }).then((movements) => movements);
  const all = await list({});
  expect(all.map((movement) => movement.kind)).toEqual([
    ...Array(20).fill('deduction'),
    'transfer',
    'release',
    'capture',
    'hold',
    'opening',
  ]);
  const versions = all.map((movement) => movement.balances[0]?.version);
  expect(versions).toEqual(Array.from({ length: 25 }, (_, index) => 25 - index));
  expect((await list({ listed: 'contract' })).map((movement) => movement.kind)).toEqual(
    all.map((movement) => movement.kind).filter((kind) => kind !== 'hold' && kind !== 'release'),
  );
  const paged = [];
  for (let page = await list({ limit: 4 }); page.length > 0; ) {
    paged.push(...page);
    page = await list({ limit: 4, before: page.at(-1)?.movement_id });
  }
  expect(paged).toEqual(all);
  expect(await list({ from: middle })).toEqual(all.slice(0, 21));
  expect(await list({ to: middle })).toEqual(all.slice(21));
  expect(await list({ from: middle, to: middle })).toEqual([]);
  expect(await list({ to: middle, before: all[22]?.movement_id })).toEqual(all.slice(23));
  const [received] = await listMovements(system.connection, { user_id: bob, limit: 1 });
  expect(received).toEqual(all[20]);
  expect(received?.entries).toEqual([
    { account: `user:${ann}`, amount: -7, balance_after: 91 },
    { account: `user:${bob}`, amount: 7, balance_after: 107 },
  ]);
});

test('holds are listed newest first, by status and in pages', async () => {
  const user = await newUser(100);
  const commands = Array.from({ length: 7 }, (_, index) => hold(user, index + 1));
  for (const command of commands) await carryOut(ledger, command);
  await carryOut(ledger, { kind: 'release', hold_id: commands[2]?.hold_id ?? '' });
  const list = (query: object) => listHolds(system.connection, { user_id: user, limit: 100, ...query });
  const all = await list({});
  expect(all.map((found) => found.amount).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(all.map((found) => found.created_at)).toEqual(
    all.map((found) => found.created_at).toSorted((one, other) => other - one),
  );
  const paged = [];
  for (let page = await list({ limit: 3 }); page.length > 0; ) {
    paged.push(...page);
    page = await list({ limit: 3, before: page.at(-1) });
  }
  expect(paged).toEqual(all);
  expect(await list({ status: 'released' })).toEqual(all.filter((found) => found.amount === 3));
  expect(await list({ status: 'open' })).toEqual(all.filter((found) => found.amount !== 3));
  expect(await findHold(system.connection, commands[0]?.hold_id ?? '')).toEqual(
    all.find((found) => found.amount === 1),
  );
  expect(await findHold(system.connection, 'none')).toBeUndefined();
});

test('a hold past its end has given its credits back for whoever reads, before that is booked', async () => {
  const user = await newUser(20);
  const grant = add(user, 5, Date.now() + 1_000);
  await carryOut(ledger, grant);
  const short = hold(user, 15, 1_000);
  await carryOut(ledger, short);
  await until(short.expires_at);

  expect(await balanceOf(system.connection, user)).toEqual([20, 0]);
  expect(await findLedgerUser(system.connection, user)).toMatchObject({ available: 20, held: 0 });
  expect(await findHold(system.connection, short.hold_id)).toMatchObject({ status: 'expired' });
  const ids = async (status: 'open' | 'expired') =>
    (await listHolds(system.connection, { user_id: user, status, limit: 10 })).map((found) => found.hold_id);
  expect(await ids('open')).toEqual([]);
  expect(await ids('expired')).toEqual([short.hold_id]);

  const booked = await carryOut(ledger, deduct(user, 20));
  expect(booked.balances).toMatchObject([{ available: 0, held: 0 }]);
  expect(await ids('expired')).toEqual([short.hold_id]);
});
