import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  DELIVERY_STATES,
  DELIVERY_TRANSITIONS,
  type DeliveryState,
  type DeliveryTransition,
} from '../../src/domain/webhooks/delivery.ts';
import type { WebhookEvent } from '../../src/domain/webhooks/event.ts';
import {
  addDeliveries,
  cancelDelivery,
  claimDelivery,
  concludeAttempt,
  DELIVERY_LEASE_MILLISECONDS,
  type DeliveryLease,
  findDelivery,
  redeliver,
  releaseDelivery,
} from '../../src/models/webhookDeliveries.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('deliveries');
});
afterAll(() => system.remove());

const ATTEMPT = { at: 0, duration_ms: 1, status_code: 500, error: undefined, response: '' };
const documents = () => system.connection.collection<{ _id: string }>('webhook_deliveries');
const newEvent = (): WebhookEvent => ({ id: uniqueName('evt'), type: 'credits.low', at: 0, data: {} });

async function newDelivery(): Promise<string> {
  const [id = ''] = await addDeliveries(system.connection, newEvent(), ['whe_1']);
  return id;
}

async function claimed(id: string): Promise<DeliveryLease> {
  const lease = await claimDelivery(system.connection, id);
  if (!lease) throw new Error('There is no lease');
  return lease;
}

const make = (id: string, change: object) => documents().updateOne({ _id: id }, { $set: change });

test('an event has one delivery for an endpoint, whoever makes it and how often', async () => {
  const [event, other] = [newEvent(), newEvent()];
  const made = await Promise.all(
    Array.from({ length: 20 }, () => addDeliveries(system.connection, event, ['whe_1', 'whe_2'])),
  );
  expect(new Set(made.flat()).size).toBe(2);
  expect(await documents().countDocuments({ event_id: event.id })).toBe(2);
  expect(await addDeliveries(system.connection, other, ['whe_1'])).not.toContain(made[0]?.[0]);
  expect(await addDeliveries(system.connection, other, [])).toEqual([]);
});

test('making it again leaves alone what became of it', async () => {
  const event = newEvent();
  const [id = ''] = await addDeliveries(system.connection, event, ['whe_1']);
  await concludeAttempt(system.connection, await claimed(id), ATTEMPT, { transition: 'succeed' });
  await addDeliveries(system.connection, event, ['whe_1']);
  expect(await findDelivery(system.connection, id)).toMatchObject({
    state: 'delivered',
    attempts: [ATTEMPT],
  });
});

test('of many who want to make the attempt one may, until its lease has run out', async () => {
  const id = await newDelivery();
  const claims = await Promise.all(Array.from({ length: 30 }, () => claimDelivery(system.connection, id)));
  expect(claims.filter((lease) => lease !== undefined)).toHaveLength(1);
  const running = await findDelivery(system.connection, id);
  expect(running).toMatchObject({ state: 'attempting', attempts_made: 1 });
  expect((running?.due_at ?? 0) - Date.now()).toBeGreaterThan(DELIVERY_LEASE_MILLISECONDS - 5_000);

  await make(id, { due_at: new Date(Date.now() - 1) });
  const next = await claimed(id);
  expect(next.delivery.attempts_made).toBe(2);
  const stale = claims.find((lease) => lease !== undefined);
  if (!stale) throw new Error('There is no lease');
  expect(await concludeAttempt(system.connection, stale, ATTEMPT, { transition: 'succeed' })).toBe(false);
  await releaseDelivery(system.connection, stale);
  expect(await findDelivery(system.connection, id)).toMatchObject({ state: 'attempting', attempts: [] });
  expect(await concludeAttempt(system.connection, next, ATTEMPT, { transition: 'succeed' })).toBe(true);
  expect(await concludeAttempt(system.connection, next, ATTEMPT, { transition: 'succeed' })).toBe(false);
});

test('an attempt is not made before it is due', async () => {
  const id = await newDelivery();
  const nextAttemptAt = Date.now() + 60_000;
  await concludeAttempt(system.connection, await claimed(id), ATTEMPT, {
    transition: 'retry',
    nextAttemptAt,
  });
  expect(await findDelivery(system.connection, id)).toMatchObject({
    state: 'waiting',
    due_at: nextAttemptAt,
  });
  expect(await claimDelivery(system.connection, id)).toBe(undefined);
});

test('the latest fifty attempts are kept', async () => {
  const id = await newDelivery();
  for (let number = 1; number <= 53; number++) {
    const end = { transition: 'retry', nextAttemptAt: Date.now() - 1 } as const;
    await concludeAttempt(system.connection, await claimed(id), { ...ATTEMPT, duration_ms: number }, end);
  }
  const kept = (await findDelivery(system.connection, id))?.attempts.map(({ duration_ms }) => duration_ms);
  expect(kept).toEqual(Array.from({ length: 50 }, (_, index) => index + 4));
});

/** Each way to change a state, tried in each state. */
const CHANGES: Record<DeliveryTransition, (id: string, lease: DeliveryLease) => Promise<unknown>> = {
  claim: (id) => claimDelivery(system.connection, id),
  succeed: (_, lease) => concludeAttempt(system.connection, lease, ATTEMPT, { transition: 'succeed' }),
  retry: (_, lease) =>
    concludeAttempt(system.connection, lease, ATTEMPT, { transition: 'retry', nextAttemptAt: 0 }),
  release: (_, lease) => releaseDelivery(system.connection, lease),
  'give-up': (_, lease) =>
    concludeAttempt(system.connection, lease, ATTEMPT, { transition: 'give-up', reason: 'no' }),
  cancel: (id) => cancelDelivery(system.connection, id, 'no'),
  redeliver: (id) => redeliver(system.connection, id),
};

test.each(Object.entries(DELIVERY_TRANSITIONS))(
  '%s changes the states that the table says and no other',
  async (name, { from, to }) => {
    const change = new Map<string, (id: string, lease: DeliveryLease) => Promise<unknown>>(
      Object.entries(CHANGES),
    ).get(name);
    for (const state of DELIVERY_STATES) {
      const id = await newDelivery();
      const lease = await claimed(id);
      await make(id, { state, due_at: new Date(Date.now() - 1), lease_token: lease.token });
      await change?.(id, lease);
      const allowed = new Set<DeliveryState>(from).has(state);
      expect([state, (await findDelivery(system.connection, id))?.state]).toEqual([
        state,
        allowed ? to : state,
      ]);
    }
  },
);

test('what has ended goes after a month, what goes on again stays', async () => {
  const id = await newDelivery();
  await concludeAttempt(system.connection, await claimed(id), ATTEMPT, { transition: 'succeed' });
  const ended = await documents().findOne({ _id: id });
  expect(ended).toMatchObject({ expires_at: expect.any(Date) });
  await redeliver(system.connection, id);
  expect(await documents().findOne({ _id: id })).not.toHaveProperty('expires_at');
});
