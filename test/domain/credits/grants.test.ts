import { expect, test } from 'vitest';
import { currentBalance } from '../../../src/domain/credits/account.ts';
import { MOST_GRANTS, MOST_KEPT_GRANTS } from '../../../src/domain/credits/limits.ts';
import { UserRecount } from '../../../src/domain/credits/recount.ts';
import { type Done, MemoryLedger } from './memoryLedger.ts';

const HOUR = 3_600_000;

function deduct(ledger: MemoryLedger, amount: number): Done {
  return ledger.done({
    kind: 'deduct',
    user_id: 'ann',
    amount,
    app_name: 'penora',
    description: '',
    project_code: null,
  });
}

function remaining(ledger: MemoryLedger, userId = 'ann'): number[] {
  return ledger.account(userId)?.grants.map((grant) => grant.remaining) ?? [];
}

test('what ends soonest is spent first, credits without an end last', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  const later = ledger.grant('ann', 5, ledger.now + 2 * HOUR);
  const sooner = ledger.grant('ann', 5, ledger.now + HOUR);
  expect(deduct(ledger, 3).movements[0]?.granted).toMatchObject([{ movement_id: sooner, amount: 3 }]);
  expect(remaining(ledger)).toEqual([2, 5]);
  expect(deduct(ledger, 6).movements[0]?.granted).toMatchObject([
    { movement_id: sooner, amount: 2 },
    { movement_id: later, amount: 4 },
  ]);
  expect(remaining(ledger)).toEqual([1]);
  deduct(ledger, 4);
  expect(remaining(ledger)).toEqual([]);
  expect(ledger.balance('ann')).toEqual([7, 0]);
});

test('a lapsed grant is gone at once for who reads, and is booked by the next write, before it', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.grant('ann', 5, ledger.now + HOUR);
  deduct(ledger, 2);
  ledger.now += HOUR;
  const account = ledger.account('ann');
  expect(account && currentBalance(account, [], ledger.now)).toMatchObject({ available: 10 });
  expect(account && currentBalance(account, [], ledger.now - 1)).toMatchObject({ available: 13 });
  const outcome = ledger.run({
    kind: 'deduct',
    user_id: 'ann',
    amount: 11,
    app_name: 'penora',
    description: '',
    project_code: null,
  });
  expect(outcome).toEqual({ kind: 'refused', reason: 'insufficient-credits' });
  expect(ledger.movements.at(-1)).toMatchObject({ kind: 'expiry', transaction_type: 'expired' });
  expect(ledger.balance('ann')).toEqual([10, 0]);
  expect(ledger.sum('expired')).toBe(3);
  expect(remaining(ledger)).toEqual([]);
});

test('held credits go back to their grant, and are gone when it has lapsed meanwhile', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.grant('ann', 5, ledger.now + HOUR);
  const hold = (hold_id: string) =>
    ledger.done({
      kind: 'hold',
      hold_id,
      user_id: 'ann',
      amount: 4,
      app_name: 'penora',
      description: '',
      expires_at: ledger.now + 5 * HOUR,
    });
  hold('in time');
  ledger.done({ kind: 'release', hold_id: 'in time' });
  expect(remaining(ledger)).toEqual([5]);
  hold('too late');
  ledger.now += 2 * HOUR;
  const { movements, balances } = ledger.done({ kind: 'release', hold_id: 'too late' });
  expect(movements.map((movement) => movement.kind)).toEqual(['release', 'expiry']);
  expect(balances).toMatchObject([{ available: 10, held: 0 }]);
});

test('held credits of a lapsed grant can still be captured', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 0);
  ledger.grant('ann', 5, ledger.now + HOUR);
  const expires_at = ledger.now + 5 * HOUR;
  ledger.done({
    kind: 'hold',
    hold_id: 'h',
    user_id: 'ann',
    amount: 5,
    app_name: 'penora',
    description: '',
    expires_at,
  });
  ledger.now += 2 * HOUR;
  ledger.done({ kind: 'capture', hold_id: 'h', final: true, project_code: null });
  expect(ledger.sum('app:penora')).toBe(5);
  expect(ledger.sum('expired')).toBe(0);
});

test('a capture in part spends what ends soonest, and the rest goes back to its grant', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.grant('ann', 5, ledger.now + HOUR);
  ledger.done({
    kind: 'hold',
    hold_id: 'h',
    user_id: 'ann',
    amount: 8,
    app_name: 'penora',
    description: '',
    expires_at: ledger.now + HOUR,
  });
  ledger.done({ kind: 'capture', hold_id: 'h', amount: 3, final: false, project_code: null });
  ledger.done({ kind: 'release', hold_id: 'h' });
  expect(remaining(ledger)).toEqual([2]);
  expect(ledger.balance('ann')).toEqual([12, 0]);
});

test('a refund gives credits back to their grant, and what has lapsed is gone', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.grant('ann', 5, ledger.now + HOUR);
  const [first] = deduct(ledger, 3).movements;
  ledger.done({ kind: 'refund', movement_id: first?.movement_id ?? '', description: '' });
  expect(remaining(ledger)).toEqual([5]);
  const [second] = deduct(ledger, 7).movements;
  ledger.now += HOUR;
  const refund = ledger.done({ kind: 'refund', movement_id: second?.movement_id ?? '', description: '' });
  expect(refund.movements.map((movement) => movement.kind)).toEqual(['refund', 'expiry']);
  expect(ledger.balance('ann')).toEqual([10, 0]);
});

test('credits keep their end on the way to another user', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.user('bob', 0);
  ledger.grant('ann', 5, ledger.now + HOUR);
  const { balances } = ledger.done({
    kind: 'transfer',
    from_user_id: 'ann',
    to_user_id: 'bob',
    amount: 7,
    app_name: 'system',
    description: '',
  });
  expect(balances).toMatchObject([
    { user_id: 'ann', available: 8 },
    { user_id: 'bob', available: 7 },
  ]);
  expect(remaining(ledger, 'bob')).toEqual([5]);
  ledger.now += HOUR;
  ledger.done({ kind: 'settle', user_id: 'bob' });
  expect(ledger.balance('bob')).toEqual([2, 0]);
});

test('grants are bounded, also those that come by a transfer', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 0);
  ledger.user('bob', 0);
  for (let count = 0; count < MOST_GRANTS; count++) ledger.grant('ann', 1, ledger.now + HOUR + count);
  ledger.grant('bob', 1, ledger.now + HOUR);
  const one = { amount: 1, app_name: 'system', description: '' };
  const add = { kind: 'add', user_id: 'ann', transaction_type: 'bonus', ...one } as const;
  const transfer = { kind: 'transfer', from_user_id: 'bob', to_user_id: 'ann', ...one } as const;
  const refusal = { kind: 'refused', reason: 'too-many-grants' };
  expect(ledger.run({ ...add, expires_at: ledger.now + HOUR })).toEqual(refusal);
  expect(ledger.run(transfer)).toEqual({ ...refusal, user_id: 'ann' });
  expect(ledger.balance('bob')).toEqual([1, 0]);
  ledger.done(add);
  ledger.now += HOUR;
  ledger.grant('ann', 1, ledger.now + HOUR);
});

test('grants that are spent do not count, and a refund brings them back', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 0);
  const end = ledger.now + HOUR;
  const spent: string[] = [];
  for (let count = 0; count < MOST_KEPT_GRANTS * 2; count++) {
    ledger.grant('ann', 1, end);
    spent.push(deduct(ledger, 1).movements[0]?.movement_id ?? '');
    expect(remaining(ledger)).toEqual([]);
  }
  const refund = (movement_id = '') => ledger.run({ kind: 'refund', movement_id, description: '' });
  // What the document of a user can hold bounds what comes back too.
  for (const movement_id of spent.slice(0, MOST_KEPT_GRANTS)) expect(refund(movement_id).kind).toBe('done');
  expect(refund(spent.at(-1))).toEqual({ kind: 'refused', reason: 'too-many-grants' });
  expect(ledger.balance('ann')).toEqual([MOST_KEPT_GRANTS, 0]);
  expectClean(ledger);
  ledger.now += HOUR;
  const late = ledger.done({ kind: 'refund', movement_id: spent.at(-1) ?? '', description: '' });
  expect(late.movements.map(({ kind }) => kind)).toEqual(['refund', 'expiry']);
  expect(ledger.balance('ann')).toEqual([0, 0]);
  expectClean(ledger);
});

test('what holds set aside comes back to its grants, which are bounded while it may', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 0);
  const expires_at = ledger.now + HOUR;
  const one = { user_id: 'ann', amount: 1, app_name: 'penora', description: '' };
  const add = { kind: 'add', ...one, transaction_type: 'bonus', expires_at } as const;
  for (let count = 0; count < MOST_KEPT_GRANTS; count++) {
    ledger.done(add);
    ledger.done({ kind: 'hold', ...one, hold_id: `hold-${count}`, expires_at });
  }
  expect(ledger.run(add)).toEqual({ kind: 'refused', reason: 'too-many-grants' });
  for (let count = 0; count < MOST_KEPT_GRANTS; count++) {
    const hold_id = `hold-${count}`;
    if (count % 2) ledger.done({ kind: 'capture', hold_id, final: true, project_code: null });
    else ledger.done({ kind: 'release', hold_id });
  }
  expectClean(ledger);
  expect(remaining(ledger)).toEqual(Array(MOST_KEPT_GRANTS / 2).fill(1));
  deduct(ledger, MOST_KEPT_GRANTS / 2);
  expect(remaining(ledger)).toEqual([]);
  ledger.done(add);
});

function expectClean(ledger: MemoryLedger): void {
  for (const account of ledger.accounts.values()) {
    const recount = new UserRecount(account);
    expect(ledger.movements.flatMap((movement) => recount.add(movement))).toEqual([]);
    expect(recount.end()).toEqual([]);
  }
}

test('a grant that has ended already is refused', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 0);
  expect(() => ledger.grant('ann', 1, ledger.now)).toThrow('already-expired');
});
