import { describe, expect, test } from 'vitest';
import {
  endHold,
  type HeldCredits,
  HOLD_TRANSITIONS,
  HoldTransitionError,
} from '../../../src/domain/credits/holds.ts';
import { HOLD_STATUSES, type LedgerCommand } from '../../../src/domain/credits/ledger.ts';
import { MemoryLedger } from './memoryLedger.ts';

const MINUTE = 60_000;

function hold(ledger: MemoryLedger, amount: number, minutes = 10, hold_id = 'h'): LedgerCommand {
  return {
    kind: 'hold',
    hold_id,
    user_id: 'ann',
    amount,
    app_name: 'imagegene',
    description: 'Picture',
    expires_at: ledger.now + minutes * MINUTE,
  };
}

function capture(amount: number | undefined, final: boolean): LedgerCommand {
  return { kind: 'capture', hold_id: 'h', amount, final, project_code: 'IMG_1' };
}

const release: LedgerCommand = { kind: 'release', hold_id: 'h' };

function held(ledger: MemoryLedger): HeldCredits {
  const found = ledger.hold('h');
  if (!found) throw new Error('There is no hold');
  return found;
}

describe('the table of transitions', () => {
  test('an open hold ends in one of three ways, and an ended one stays as it is', () => {
    for (const from of HOLD_STATUSES) {
      expect(HOLD_TRANSITIONS[from]).toEqual(from === 'open' ? ['captured', 'released', 'expired'] : []);
    }
  });

  test('a way that is not in it is an error', () => {
    const ledger = new MemoryLedger();
    ledger.user('ann', 10);
    ledger.done(hold(ledger, 4));
    ledger.done(release);
    expect(() => endHold(held(ledger), 'captured')).toThrow(HoldTransitionError);
  });
});

test('what is held cannot be spent, and comes back by a release', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  const { hold: made, balances } = ledger.done(hold(ledger, 7));
  expect(made).toMatchObject({ status: 'open', amount: 7, captured: 0 });
  expect(balances).toMatchObject([{ user_id: 'ann', available: 3, held: 7 }]);
  expect(ledger.run(hold(ledger, 4, 10, 'another'))).toEqual({
    kind: 'refused',
    reason: 'insufficient-credits',
  });
  const released = ledger.done(release);
  expect(released.hold).toMatchObject({ status: 'released', captured: 0 });
  expect(ledger.balance('ann')).toEqual([10, 0]);
  expect(ledger.run(release)).toMatchObject({ reason: 'hold-not-open', hold: { status: 'released' } });
});

test('a capture in part keeps the rest held, a final one gives it back', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.done(hold(ledger, 7));
  const part = ledger.done(capture(2, false));
  expect(part.hold).toMatchObject({ status: 'open', captured: 2 });
  expect(part.movements).toMatchObject([
    { kind: 'capture', transaction_type: 'used', app_name: 'imagegene', description: 'Picture' },
  ]);
  expect(ledger.balance('ann')).toEqual([3, 5]);
  expect(ledger.run(capture(6, true))).toMatchObject({ reason: 'more-than-held' });
  const last = ledger.done(capture(1, true));
  expect(last.hold).toMatchObject({ status: 'captured', captured: 3 });
  expect(last.movements.map((movement) => movement.kind)).toEqual(['capture', 'release']);
  expect(ledger.balance('ann')).toEqual([7, 0]);
  expect(ledger.sum('app:imagegene')).toBe(3);
});

test('without an amount all that is left is captured', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.done(hold(ledger, 7));
  ledger.done(capture(2, false));
  expect(ledger.done(capture(undefined, false)).hold).toMatchObject({ status: 'captured', captured: 7 });
  expect(ledger.balance('ann')).toEqual([3, 0]);
  expect(ledger.run(capture(1, false))).toMatchObject({ reason: 'hold-not-open' });
});

test('a hold is over at its end, whoever comes then', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.done(hold(ledger, 7));
  ledger.now += 10 * MINUTE - 1;
  ledger.done(capture(1, false));
  ledger.now += 1;
  expect(ledger.run(capture(1, true))).toMatchObject({
    reason: 'hold-not-open',
    hold: { status: 'expired', captured: 1 },
  });
  expect(ledger.balance('ann')).toEqual([9, 0]);
  expect(ledger.run(release)).toMatchObject({ reason: 'hold-not-open' });
});

test('credits of an overdue hold can be spent at once', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  ledger.done(hold(ledger, 7));
  ledger.now += 10 * MINUTE;
  ledger.done({
    kind: 'deduct',
    user_id: 'ann',
    amount: 10,
    app_name: 'penora',
    description: '',
    project_code: null,
  });
  expect(ledger.balance('ann')).toEqual([0, 0]);
  expect(held(ledger).status).toBe('expired');
});

test.each([
  ['a hold that nobody knows', capture(1, true), 'unknown-hold'],
  ['a release of one', release, 'unknown-hold'],
] as const)('%s is refused', (_what, command, reason) => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  expect(ledger.run(command)).toEqual({ kind: 'refused', reason });
});

test('an end that lies in the past is refused', () => {
  const ledger = new MemoryLedger();
  ledger.user('ann', 10);
  expect(ledger.run(hold(ledger, 1, 0))).toEqual({ kind: 'refused', reason: 'already-expired' });
});
