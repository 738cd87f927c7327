import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsClient, statusCounts } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

const CLIENTS = 500;

let system: TestSystem;
let processes: readonly CreditsClient[];

beforeAll(async () => {
  system = await createTestSystem('oversell');
  const webs = await Promise.all([system.startWeb(), system.startWeb()]);
  processes = webs.map((web) => new CreditsClient(web, system));
});

afterAll(() => system.remove());

function through(index: number): CreditsClient {
  const client = processes[index % processes.length];
  if (!client) throw new Error('There is no web process');
  return client;
}

/** The sum of what the entries of the user's account say. */
async function sumOfEntries(userId: string): Promise<number> {
  const movements = await through(0).movements(userId);
  return movements.reduce((sum, movement) => sum + movement.amount, 0);
}

test.each([0, 1, 137, 499, 500, 501])(
  'of 500 concurrent deductions of 1 from %i, through two processes, exactly as many succeed as can',
  async (balance) => {
    const user = await through(0).newUser(uniqueName('user'), 10);
    if (balance < 10) await through(0).expect(200, through(0).deduct(user, 10 - balance));
    else if (balance > 10) {
      await through(0).expect(200, through(0).post('/add-credits', { user_id: user, amount: balance - 10 }));
    }
    expect(await through(1).balance(user)).toEqual({ credits: balance, held: 0 });

    const answers = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) => through(index).deductSurely(user, 1)),
    );
    const successes = Math.min(balance, CLIENTS);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(successes);
    expect(statusCounts(answers)[400] ?? 0).toBe(CLIENTS - successes);
    const left = balance - successes;
    expect(await through(0).balance(user)).toEqual({ credits: left, held: 0 });
    expect(await sumOfEntries(user)).toBe(left);

    // Every balance on the way down was given to one client.
    const seen = answers
      .filter(({ status }) => status === 200)
      .map(({ text }) => JSON.parse(text).new_balance);
    expect(seen.sort((a, b) => b - a)).toEqual(
      Array.from({ length: successes }, (_, index) => balance - 1 - index),
    );
  },
);

test('older clients, which send no key, cannot take more than there is either', async () => {
  const user = await through(0).newUser(uniqueName('user'), 60);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => through(index).deduct(user, 1)),
  );
  expect(statusCounts(answers)).toEqual({ 200: 60, 400: 40 });
  expect(await through(0).balance(user)).toEqual({ credits: 0, held: 0 });
  expect(await sumOfEntries(user)).toBe(0);
});

test('deductions, holds, captures and releases mixed never take more than there is', async () => {
  const BALANCE = 300;
  const user = await through(0).newUser(uniqueName('user'), BALANCE);
  let deducted = 0;
  let captured = 0;
  const refusals: number[] = [];

  const work = async (index: number) => {
    const [client, next] = [through(index), through(index + 1)];
    if (index % 2 === 0) {
      const answer = await client.deductSurely(user, 1);
      if (answer.status === 200) deducted += 1;
      else refusals.push(answer.status);
      return;
    }
    const held = await client.postSurely('/holds', { user_id: user, amount: 2, app_name: 'imagegene' });
    if (held.status !== 201) {
      refusals.push(held.status);
      return;
    }
    const { hold_id } = JSON.parse(held.text);
    // A part, the whole, or nothing.
    const take = (index >> 1) % 3;
    if (take === 0) await next.expect(200, next.postSurely(`/holds/${hold_id}/release`, {}));
    else await next.expect(200, next.postSurely(`/holds/${hold_id}/capture`, { amount: take }));
    captured += take;
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => work(index)));

  expect(refusals.length, 'the credits were fought for').toBeGreaterThan(0);
  expect(refusals.every((status) => status === 400 || status === 402)).toBe(true);
  const left = BALANCE - deducted - captured;
  expect(left).toBeGreaterThanOrEqual(0);
  expect(await through(1).balance(user)).toEqual({ credits: left, held: 0 });
  expect(await sumOfEntries(user)).toBe(left);
  const movements = await through(0).movements(user);
  expect(movements.every((movement) => movement.balance_after >= 0 && movement.held_after >= 0)).toBe(true);
});

test('the ledger is clean after all of it', () => expectCleanLedger(system));
