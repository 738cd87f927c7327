import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsClient } from '../support/creditsClient.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

let system: TestSystem;
let one: CreditsClient;
let other: CreditsClient;

beforeAll(async () => {
  system = await createTestSystem('threshold');
  const [first, second] = await Promise.all([system.startWeb(), system.startWeb()]);
  one = new CreditsClient(first, system);
  other = new CreditsClient(second, system);
});

afterAll(() => system.remove());

const setThreshold = (user: string, credits: number | null) =>
  one.send('PUT', `/thresholds/${user}`, { credits });

/** What was told of the user so far. */
async function eventsOf(user: string): Promise<unknown[]> {
  const events = system.connection
    .collection('event_outbox')
    .find({ type: 'credits.low', 'data.user_id': user });
  return (await events.sort({ at: 1 }).toArray()).map(({ data }) => data);
}

test('a threshold is set, shown and taken away', async () => {
  const user = await one.newUser(uniqueName('user'), 60);
  const path = `/thresholds/${user}`;
  expect(await one.expect(200, one.get(path))).toEqual({ user_id: user, credits: null });
  expect(await one.expect(200, setThreshold(user, 20))).toEqual({ user_id: user, credits: 20 });
  expect(await other.expect(200, other.get(path))).toEqual({ user_id: user, credits: 20 });
  await one.expect(200, setThreshold(user, null));
  await one.expect(200, one.deduct(user, 50));
  expect(await one.expect(200, one.get(path))).toEqual({ user_id: user, credits: null });
  expect(await eventsOf(user)).toEqual([]);
});

test('an id that is far too long for a user is 400', async () => {
  const answer = await setThreshold('a'.repeat(10_001), 20);
  expect(answer.status, answer.text).toBe(400);
});

test('one event for each time that the credits fall below it, however many take part', async () => {
  const user = await one.newUser(uniqueName('user'), 60);
  await one.expect(200, setThreshold(user, 20));
  await one.expect(200, one.deduct(user, 40));
  expect(await eventsOf(user), 'at the threshold is not below it').toEqual([]);

  await Promise.all(
    Array.from({ length: 20 }, (_, index) => {
      const client = index % 2 ? one : other;
      return client.expect(200, client.deduct(user, 1));
    }),
  );
  const told = { user_id: user, credits: 19, threshold: 20 };
  expect(await eventsOf(user)).toEqual([told]);

  await one.expect(200, one.post('/add-credits', { user_id: user, amount: 19 }));
  await one.expect(200, one.deduct(user, 1));
  expect(await eventsOf(user), 'it was not at the threshold in between').toEqual([told]);
  await one.expect(200, one.post('/add-credits', { user_id: user, amount: 2 }));
  const { hold_id } = await one.hold(user, 1);
  expect(await eventsOf(user), 'a hold takes credits too').toEqual([told, told]);
  await one.expect(200, one.post(`/holds/${hold_id}/release`));
  await one.expect(200, one.deduct(user, 20));
  expect(await eventsOf(user)).toEqual([told, told, { ...told, credits: 0 }]);
});

test('a deduction that is done once is told of once', async () => {
  const user = await one.newUser(uniqueName('user'), 60);
  await one.expect(200, setThreshold(user, 20));
  const key = uniqueName('key');
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? one : other).deduct(user, 50, key)),
  );
  expect(await eventsOf(user)).toEqual([{ user_id: user, credits: 10, threshold: 20 }]);
});

test.each([
  ['a fraction', { credits: 1.5 }, 400],
  ['less than nothing', { credits: -1 }, 400],
  ['a text', { credits: '20' }, 400],
  ['no field', {}, 400],
])('a threshold of %s is refused', async (_what, body, status) => {
  const user = await one.newUser(uniqueName('user'), 60);
  await one.expect(status, one.send('PUT', `/thresholds/${user}`, body));
  expect(await one.expect(200, one.get(`/thresholds/${user}`))).toEqual({ user_id: user, credits: null });
});

test('of a user that nobody knows there is none', async () => {
  expect(await one.expect(404, setThreshold('nobody', 5))).toMatchObject({ reason: 'unknown-user' });
  expect(await one.expect(404, one.get('/thresholds/nobody'))).toMatchObject({ reason: 'unknown-user' });
});
