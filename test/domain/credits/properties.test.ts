import fc from 'fast-check';
import { expect, test } from 'vitest';
import { remainingOf } from '../../../src/domain/credits/grants.ts';
import { leftOf } from '../../../src/domain/credits/holds.ts';
import type { LedgerOperation } from '../../../src/domain/credits/operation.ts';
import { sumOfEntries, UserRecount } from '../../../src/domain/credits/recount.ts';
import { recountHold } from '../../../src/domain/credits/recountHold.ts';
import { MemoryLedger } from './memoryLedger.ts';

const USERS = ['ann', 'bob', 'ann', 'bob', 'ann', 'bob', 'nobody'];
const MINUTE = 60_000;

/** A step names holds and movements by number, because their ids come only with the run. */
interface Step {
  readonly minutes: number;
  readonly operation: (ledger: MemoryLedger, number: number) => LedgerOperation;
}

const anyUser = fc.constantFrom(...USERS);
const anyAmount = fc.integer({ min: 1, max: 40 });
const anyMinutes = fc.integer({ min: 0, max: 90 });
const anyHold = fc
  .nat(30)
  .map((number) => (ledger: MemoryLedger) => [...ledger.holds.keys()][number % ledger.holds.size] ?? 'none');

const anyOperation: fc.Arbitrary<Step['operation']> = fc.oneof(
  fc.record({ user_id: anyUser, amount: anyAmount }).map((fields) => () => ({
    ...fields,
    kind: 'deduct' as const,
    app_name: 'imagegene',
    description: '',
    project_code: null,
  })),
  fc
    .record({ user_id: anyUser, amount: anyAmount, end: fc.option(anyMinutes) })
    .map(({ end, ...fields }) => (ledger: MemoryLedger) => ({
      ...fields,
      kind: 'add' as const,
      app_name: 'system',
      transaction_type: 'purchase',
      description: '',
      expires_at: end === null ? undefined : ledger.now + end * MINUTE,
    })),
  fc
    .record({ user_id: anyUser, amount: anyAmount, minutes: anyMinutes })
    .map(({ minutes, ...fields }) => (ledger: MemoryLedger, number: number) => ({
      ...fields,
      kind: 'hold' as const,
      hold_id: `hold-${number}`,
      app_name: 'penora',
      description: '',
      expires_at: ledger.now + minutes * MINUTE,
    })),
  fc
    .record({ hold: anyHold, amount: fc.option(anyAmount, { nil: undefined }), final: fc.boolean() })
    .map(({ hold, ...fields }) => (ledger: MemoryLedger) => ({
      ...fields,
      kind: 'capture' as const,
      hold_id: hold(ledger),
      project_code: null,
    })),
  anyHold.map((hold) => (ledger: MemoryLedger) => ({ kind: 'release' as const, hold_id: hold(ledger) })),
  fc.nat(60).map((number) => (ledger: MemoryLedger) => ({
    kind: 'refund' as const,
    movement_id: ledger.movements[number % Math.max(1, ledger.movements.length)]?.movement_id ?? 'none',
    description: '',
  })),
  fc.record({ from_user_id: anyUser, to_user_id: anyUser, amount: anyAmount }).map((fields) => () => ({
    ...fields,
    kind: 'transfer' as const,
    app_name: 'system',
    description: '',
  })),
  fc
    .record({ user_id: anyUser, threshold: fc.option(fc.nat(60)) })
    .map((fields) => () => ({ ...fields, kind: 'set-threshold' as const })),
  fc
    .record({ user_id: anyUser, amount: anyAmount })
    .map((fields) => () => ({ ...fields, kind: 'give-bonus' as const })),
);

const anySteps = fc.array(fc.record({ minutes: fc.integer({ min: 0, max: 20 }), operation: anyOperation }), {
  maxLength: 80,
  size: 'max',
});

function play(steps: readonly Step[], look: (ledger: MemoryLedger) => void): MemoryLedger {
  const ledger = new MemoryLedger();
  for (const user of ['ann', 'bob']) {
    ledger.done({ kind: 'create-user', user_id: user, username: user, email: '', initial_credits: 60 });
  }
  steps.forEach(({ minutes, operation }, number) => {
    ledger.now += minutes * MINUTE;
    const next = operation(ledger, number);
    if (next.kind === 'hold' && ledger.hold(next.hold_id)) return;
    ledger.run(next);
    look(ledger);
  });
  return ledger;
}

test('whatever is done, every movement sums to zero and nothing is ever below zero', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const ledger = play(steps, ({ accounts }) => {
        for (const account of accounts.values()) {
          expect(account.available).toBeGreaterThanOrEqual(0);
          expect(account.held).toBeGreaterThanOrEqual(0);
          expect(remainingOf(account.grants)).toBeLessThanOrEqual(account.available);
          for (const grant of account.grants) expect(grant.remaining).toBeGreaterThanOrEqual(0);
        }
      });
      for (const movement of ledger.movements) expect(sumOfEntries(movement)).toBe(0);
      for (const app of ['app:imagegene', 'app:penora', 'expired']) {
        expect(ledger.sum(app)).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 300 },
  );
});

test('accounts, grants and holds are what their movements come to, at every step', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      play(steps, (ledger) => {
        for (const account of ledger.accounts.values()) {
          const recount = new UserRecount(account);
          expect(ledger.movements.flatMap((movement) => recount.add(movement))).toEqual([]);
          expect(recount.end()).toEqual([]);
          const open = ledger.holdsOf(account.user_id).reduce((sum, hold) => sum + leftOf(hold), 0);
          expect(account.held).toBe(open);
        }
        for (const hold of ledger.holds.values()) {
          const own = ledger.movements.filter((movement) => movement.hold_id === hold.hold_id);
          expect(recountHold(hold, own)).toEqual([]);
        }
      });
    }),
    { numRuns: 60 },
  );
});

test('ids and times of a user’s movements ascend, also when the clock goes back', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const ledger = play(
        steps.map((step, index) => ({ ...step, minutes: index % 7 === 3 ? -30 : step.minutes })),
        () => undefined,
      );
      for (const user of ['ann', 'bob']) {
        const own = ledger.movements.filter((movement) =>
          movement.balances.some((balance) => balance.user_id === user),
        );
        const ids = own.map((movement) => movement.movement_id);
        expect(ids).toEqual(ids.toSorted());
        expect(new Set(ids).size).toBe(ids.length);
        const times = own.map((movement) => movement.at);
        expect(times).toEqual(times.toSorted((one, other) => one - other));
      }
    }),
    { numRuns: 100 },
  );
});

test('a refused command leaves nothing but what had come to its end', () => {
  fc.assert(
    fc.property(anySteps, anyOperation, (steps, operation) => {
      const ledger = play(steps, () => undefined);
      for (const user_id of ['ann', 'bob']) ledger.run({ kind: 'settle', user_id });
      const before = structuredClone([...ledger.accounts]);
      const booked = ledger.movements.length;
      const next = operation(ledger, 1_000);
      if (ledger.run(next).kind === 'done') return;
      expect([...ledger.accounts]).toEqual(before);
      expect(ledger.movements).toHaveLength(booked);
    }),
    { numRuns: 300 },
  );
});
