import { describe, expect, test } from 'vitest';
import {
  DELIVERY_STATES,
  DELIVERY_TRANSITIONS,
  OPEN_STATES,
  RETRY_DELAYS_MILLISECONDS,
  retryDelay,
  verdictOf,
} from '../../../src/domain/webhooks/delivery.ts';
import { FAILING_LIMIT_MILLISECONDS } from '../../../src/domain/webhooks/endpoint.ts';

const HOUR = 3_600_000;

describe('the transitions', () => {
  test('lead from known states to known states', () => {
    for (const { from, to } of Object.values(DELIVERY_TRANSITIONS)) {
      for (const state of [...from, to]) expect(DELIVERY_STATES).toContain(state);
    }
  });

  test('reach every state, and leave every state that has ended by a redelivery only', () => {
    const reached = Object.values(DELIVERY_TRANSITIONS).map(({ to }) => to);
    expect(new Set(reached)).toEqual(new Set(DELIVERY_STATES));
    for (const ended of ['delivered', 'failed', 'cancelled'] as const) {
      const leaving = Object.entries(DELIVERY_TRANSITIONS).filter(([, { from }]) =>
        new Set<string>(from).has(ended),
      );
      expect(leaving.map(([name]) => name)).toEqual(['redeliver']);
    }
  });

  test('a running attempt is not started over by hand', () => {
    expect(DELIVERY_TRANSITIONS.redeliver.from).not.toContain('attempting');
    expect(OPEN_STATES).toEqual(['waiting', 'attempting']);
  });
});

describe('retries', () => {
  test('grow from seconds to a day, over more than three days in all', () => {
    expect(RETRY_DELAYS_MILLISECONDS).toEqual(RETRY_DELAYS_MILLISECONDS.toSorted((a, b) => a - b));
    expect(RETRY_DELAYS_MILLISECONDS.slice(0, 3)).toEqual([5_000, 300_000, 1_800_000]);
    const whole = RETRY_DELAYS_MILLISECONDS.reduce((sum, delay) => sum + delay, 0);
    expect(whole).toBeGreaterThan(72 * HOUR);
    // So that the last attempt of a delivery can be the one that disables an endpoint.
    expect(whole).toBeGreaterThan(FAILING_LIMIT_MILLISECONDS);
  });

  test('wait as the list says, a tenth longer at most', () => {
    expect(retryDelay([100, 200], 1, 0, 0)).toBe(100);
    expect(retryDelay([100, 200], 2, 0, 0.999_999)).toBe(220);
    expect(retryDelay([100, 200], 3, 0, 0)).toBe(undefined);
    expect(retryDelay([], 1)).toBe(undefined);
  });

  test('wait longer when the receiver asks for it, never shorter', () => {
    expect(retryDelay([100], 1, 5_000, 0)).toBe(5_000);
    expect(retryDelay([100], 1, 5, 0)).toBe(100);
    expect(retryDelay([100], 2, 5_000, 0)).toBe(undefined);
  });
});

test.each([
  [200, 'delivered'],
  [299, 'delivered'],
  [199, 'refused'],
  [300, 'refused'],
  [302, 'refused'],
  [404, 'refused'],
  [410, 'gone'],
  [500, 'refused'],
  [0, 'refused'],
])('%i is %s', (status, verdict) => {
  expect(verdictOf(status)).toBe(verdict);
});
