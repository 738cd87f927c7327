import { describe, expect, test } from 'vitest';
import { LedgerInvariantError } from '../../../src/domain/credits/booking.ts';
import { checkOperation, InvalidOperationError } from '../../../src/domain/credits/checkOperation.ts';
import { firstMovementIdAt, movementIdAt, nextClock } from '../../../src/domain/credits/clock.ts';
import type { LedgerCommand } from '../../../src/domain/credits/ledger.ts';
import { LONGEST_TEXT, MOST_CREDITS } from '../../../src/domain/credits/limits.ts';
import { MemoryLedger } from './memoryLedger.ts';

function newUser(initial_credits: number, username = 'Ann', keeps_known?: boolean): LedgerCommand {
  return { kind: 'create-user', user_id: 'ann', username, email: 'ann@x', initial_credits, keeps_known };
}

function deduct(amount: number, user_id = 'ann'): LedgerCommand {
  return {
    kind: 'deduct',
    user_id,
    amount,
    app_name: 'imagegene',
    description: 'Picture',
    project_code: 'IMG_1',
  };
}

function add(amount: number): LedgerCommand {
  return {
    kind: 'add',
    user_id: 'ann',
    amount,
    app_name: 'system',
    transaction_type: 'purchase',
    description: '',
  };
}

describe('a new user', () => {
  test.each([
    [60, [10, 50]],
    [10, [10]],
    [4, [10, -6]],
    [0, [10, -10]],
  ])('with %i credits: a bonus of ten, and the rest as an adjustment', (initial, amounts) => {
    const ledger = new MemoryLedger();
    const { movements, balances } = ledger.done(newUser(initial));
    expect(
      movements.map(({ entries }) => entries.find((entry) => entry.account === 'user:ann')?.amount),
    ).toEqual(amounts);
    expect(movements.map((movement) => movement.transaction_type)).toEqual(
      ['bonus', 'adjustment'].slice(0, amounts.length),
    );
    expect(balances).toMatchObject([{ user_id: 'ann', available: initial, held: 0 }]);
  });

  test('who is there already gets new names and nothing else', () => {
    const ledger = new MemoryLedger();
    ledger.done(newUser(60));
    expect(ledger.done(newUser(500, 'Anna'))).toMatchObject({
      movements: [],
      balances: [{ available: 60, version: 2 }],
    });
    expect(ledger.account('ann')).toMatchObject({ username: 'Anna', email: 'ann@x' });
    ledger.done(newUser(60, 'ann', true));
    expect(ledger.account('ann')).toMatchObject({ username: 'Anna' });
  });

  test('an import makes one opening movement, and none for nothing', () => {
    const ledger = new MemoryLedger();
    ledger.user('ann', 25);
    ledger.user('bob', 0);
    expect(ledger.movements).toMatchObject([{ kind: 'opening', transaction_type: 'adjustment' }]);
    expect(ledger.balance('ann')).toEqual([25, 0]);
    ledger.user('ann', 99);
    expect(ledger.balance('ann')).toEqual([25, 0]);
  });
});

test('a deduction names its app and its project, and is refused when there is less', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 5);
  expect(ledger.done(deduct(5)).movements).toMatchObject([
    {
      kind: 'deduction',
      transaction_type: 'used',
      app_name: 'imagegene',
      description: 'Picture',
      project_code: 'IMG_1',
      entries: [
        { account: 'user:ann', amount: -5, balance_after: 0 },
        { account: 'app:imagegene', amount: 5 },
      ],
      balances: [{ user_id: 'ann', available: 0, held: 0, version: 2 }],
    },
  ]);
  expect(ledger.run(deduct(1))).toEqual({ kind: 'refused', reason: 'insufficient-credits' });
  expect(ledger.run(deduct(1, 'nobody'))).toEqual({ kind: 'refused', reason: 'unknown-user' });
});

test('a deduction or a capture is refunded once, nothing else is', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 20);
  const [spent] = ledger.done(deduct(5)).movements;
  const refund = { kind: 'refund', movement_id: spent?.movement_id ?? '', description: 'Sorry' } as const;
  const { movements } = ledger.done(refund);
  expect(movements).toMatchObject([
    { kind: 'refund', refunds: spent?.movement_id, app_name: 'imagegene', project_code: 'IMG_1' },
  ]);
  expect(ledger.balance('ann')).toEqual([20, 0]);
  expect(ledger.run(refund)).toMatchObject({ reason: 'already-refunded' });
  expect(ledger.run({ ...refund, movement_id: 'none' })).toMatchObject({ reason: 'unknown-movement' });
  for (const { movement_id } of [ledger.done(add(1)).movements[0], movements[0]].flatMap(
    (one) => one ?? [],
  )) {
    expect(ledger.run({ ...refund, movement_id })).toMatchObject({ reason: 'not-refundable' });
  }
  const expires_at = ledger.now + 1_000;
  ledger.done({
    kind: 'hold',
    hold_id: 'h',
    user_id: 'ann',
    amount: 6,
    app_name: 'penora',
    description: '',
    expires_at,
  });
  const [captured] = ledger.done({
    kind: 'capture',
    hold_id: 'h',
    amount: 4,
    final: false,
    project_code: null,
  }).movements;
  ledger.done({ ...refund, movement_id: captured?.movement_id ?? '' });
  expect(ledger.balance('ann')).toEqual([19, 2]);
});

test('a transfer needs two users and the credits', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 5);
  ledger.user('bob', 0);
  const transfer = { kind: 'transfer', app_name: 'system', description: '' } as const;
  const from = (from_user_id: string, to_user_id: string, amount: number) =>
    ledger.run({ ...transfer, from_user_id, to_user_id, amount });
  expect(from('ann', 'ann', 1)).toMatchObject({ reason: 'same-user' });
  expect(from('ann', 'nobody', 1)).toMatchObject({ reason: 'unknown-user', user_id: 'nobody' });
  expect(from('nobody', 'ann', 1)).toMatchObject({ reason: 'unknown-user', user_id: 'nobody' });
  expect(from('ann', 'bob', 6)).toMatchObject({ reason: 'insufficient-credits', user_id: 'ann' });
  expect(from('ann', 'bob', 5)).toMatchObject({ kind: 'done' });
  expect(ledger.balance('bob')).toEqual([5, 0]);
});

test('nobody has more credits than can be counted', () => {
  const ledger = new MemoryLedger();
  const refusal = { kind: 'refused', reason: 'balance-too-large' };
  expect(ledger.run(newUser(MOST_CREDITS + 1))).toEqual(refusal);
  ledger.done(newUser(MOST_CREDITS));
  expect(ledger.run(add(1))).toEqual(refusal);
  expect(ledger.run({ kind: 'give-bonus', user_id: 'ann', amount: 1 })).toEqual(refusal);
  ledger.user('bob', 1);
  const transfer = { from_user_id: 'bob', to_user_id: 'ann', amount: 1, app_name: '', description: '' };
  expect(ledger.run({ kind: 'transfer', ...transfer })).toEqual({ ...refusal, user_id: 'ann' });
});

test('a fall below the threshold is told once, until the credits have risen to it again', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 30);
  ledger.done({ kind: 'set-threshold', user_id: 'ann', threshold: 20 });
  ledger.done(deduct(10));
  expect(ledger.lowBalances).toEqual([]);
  ledger.done(deduct(1));
  ledger.done(deduct(1));
  expect(ledger.lowBalances).toEqual([{ user_id: 'ann', available: 19, threshold: 20 }]);
  ledger.done(add(1));
  ledger.done(deduct(1));
  expect(ledger.lowBalances).toHaveLength(1);
  ledger.done(add(2));
  ledger.done(deduct(5));
  expect(ledger.lowBalances).toHaveLength(2);
  ledger.done({ kind: 'set-threshold', user_id: 'ann', threshold: null });
  ledger.done(deduct(1));
  ledger.done({ kind: 'set-threshold', user_id: 'ann', threshold: 100 });
  ledger.done(deduct(1));
  expect(ledger.lowBalances).toHaveLength(2);
});

test('a lapse can be the fall', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 5);
  ledger.grant('ann', 10, ledger.now + 1_000);
  ledger.done({ kind: 'set-threshold', user_id: 'ann', threshold: 10 });
  ledger.now += 1_000;
  ledger.run(deduct(100));
  expect(ledger.lowBalances).toEqual([{ user_id: 'ann', available: 5, threshold: 10 }]);
});

test('a hold id that is there already is a defect', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 5);
  const hold = {
    kind: 'hold',
    hold_id: 'h',
    user_id: 'ann',
    amount: 1,
    app_name: '',
    description: '',
  } as const;
  ledger.done({ ...hold, expires_at: ledger.now + 1 });
  expect(() => ledger.run({ ...hold, expires_at: ledger.now + 1 })).toThrow(LedgerInvariantError);
});

describe('what the ledger cannot take', () => {
  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%d credits', (amount) => {
    expect(() => checkOperation(deduct(amount))).toThrow(InvalidOperationError);
  });

  test.each([-1, 0.5, Number.NaN])('a new user with %d credits', (credits) => {
    expect(() => checkOperation(newUser(credits))).toThrow(InvalidOperationError);
  });

  test('a text without end', () => {
    const text = (length: number) => ({ ...deduct(1), description: 'x'.repeat(length) }) as LedgerCommand;
    checkOperation(text(LONGEST_TEXT));
    expect(() => checkOperation(text(LONGEST_TEXT + 1))).toThrow(InvalidOperationError);
  });
});

test('a range of time is a range of ids', () => {
  const at = Date.parse('2026-01-05T07:00:00Z');
  expect(movementIdAt(nextClock(at, []), 'a') > firstMovementIdAt(at)).toBe(true);
  expect(movementIdAt(nextClock(at, [at * 1_000 + 998]), 'a') < firstMovementIdAt(at + 1)).toBe(true);
  expect(movementIdAt(nextClock(at - 1, []), 'z') < firstMovementIdAt(at)).toBe(true);
  expect(nextClock(at, [at * 1_000 + 5, at * 1_000 + 7])).toBe(at * 1_000 + 8);
});
