import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type CreditsAnswer, CreditsClient, statusCounts } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { inTime } from '../support/inTime.ts';
import { openMongoLink } from '../support/mongoLink.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const SHARED_KEY = 'a-shared-key-of-this-test';

let system: TestSystem;
let one: CreditsClient;
let other: CreditsClient;

beforeAll(async () => {
  system = await createTestSystem('once');
  const environment = { PENORA_API_KEY: SHARED_KEY };
  const [first, second] = await Promise.all([system.startWeb(environment), system.startWeb(environment)]);
  one = new CreditsClient(first, system);
  other = new CreditsClient(second, system);
});

afterAll(() => system.remove());

const either = (index: number) => (index % 2 === 0 ? one : other);
const isReplay = (answer: CreditsAnswer) => answer.headers.get('idempotency-replayed') === 'true';

describe('the same key', () => {
  test.each([
    [
      'a deduction',
      'deduct-credits',
      (user: string) => ({ user_id: user, amount: 3, app_name: 'penora' }),
      57,
      200,
    ],
    ['an addition', 'add-credits', (user: string) => ({ user_id: user, amount: 3 }), 63, 200],
    ['a hold', 'holds', (user: string) => ({ user_id: user, amount: 3, app_name: 'penora' }), 57, 201],
    [
      'a grant',
      'grants',
      (user: string) => ({ user_id: user, amount: 3, expires_at: '2200-01-01T00:00:00Z' }),
      63,
      201,
    ],
  ])(
    'sent 100 times in parallel with %s: one effect, the same answer for all',
    async (_what, path, bodyOf, left, status) => {
      const user = await one.newUser(uniqueName('user'), 60);
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => either(index).postSurely(`/${path}`, bodyOf(user), key)),
      );
      const done = answers.filter((answer) => answer.status === status);
      expect(
        answers.every((answer) => answer.status === status || answer.status === 409),
        JSON.stringify(statusCounts(answers)),
      ).toBe(true);
      expect(new Set(done.map(({ text }) => text)).size).toBe(1);
      expect(done.filter((answer) => !isReplay(answer))).toHaveLength(1);
      expect((await one.balance(user)).credits).toBe(left);
      // Two at its creation, and this one.
      expect(await one.movements(user)).toHaveLength(3);

      const late = await other.post(`/${path}`, bodyOf(user), key);
      expect([late.status, late.text, isReplay(late)]).toEqual([status, done[0]?.text, true]);
    },
  );

  test('with another body is 422 and does nothing; the order of the fields is no matter', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const key = randomUUID();
    const first = await one.post('/deduct-credits', { user_id: user, amount: 3, app_name: 'penora' }, key);
    const again = await other.post('/deduct-credits', { app_name: 'penora', amount: 3, user_id: user }, key);
    expect([again.status, again.text, isReplay(again)]).toEqual([200, first.text, true]);
    const wrong = await other.post('/deduct-credits', { user_id: user, amount: 4, app_name: 'penora' }, key);
    expect(wrong.status).toBe(422);
    expect(JSON.parse(wrong.text), 'in the shape of the contract').toEqual({
      success: false,
      error: expect.any(String),
    });
    const hold = { user_id: user, amount: 5, app_name: 'penora' };
    await one.expect(201, one.post('/holds', hold, key));
    const problem = await one.post('/holds', { ...hold, amount: 6 }, key);
    expect(problem.status).toBe(422);
    expect(problem.headers.get('content-type')).toContain('application/problem+json');
    expect(await one.balance(user)).toEqual({ credits: 52, held: 5 });
  });

  test('for another hold is another request', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const [first, second] = [await one.hold(user, 5), await one.hold(user, 7)];
    const key = randomUUID();
    await one.expect(200, one.post(`/holds/${first.hold_id}/capture`, {}, key));
    await one.expect(422, one.post(`/holds/${second.hold_id}/capture`, {}, key));
    expect(await one.balance(user)).toEqual({ credits: 48, held: 7 });
  });

  test('belongs to its route and to its caller', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const key = randomUUID();
    const body = { user_id: user, amount: 3, app_name: 'penora' };
    await one.expect(200, one.post('/deduct-credits', body, key));
    await one.expect(201, one.post('/holds', body, key));
    const response = await fetch(`${one.url}/api/unified/deduct-credits`, {
      method: 'POST',
      headers: { 'X-API-Key': SHARED_KEY, 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body: JSON.stringify(body),
    });
    expect([response.status, response.headers.get('idempotency-replayed')]).toEqual([200, null]);
    expect(await one.balance(user)).toEqual({ credits: 51, held: 3 });
  });

  test('replays a refusal, also when it would not be one any more', async () => {
    const user = await one.newUser(uniqueName('user'), 10);
    for (const [path, status] of [
      ['/deduct-credits', 400],
      ['/holds', 402],
    ] as const) {
      const body = { user_id: user, amount: 15, app_name: 'penora' };
      const key = randomUUID();
      const refused = await one.post(path, body, key);
      expect(refused.status).toBe(status);
      await one.expect(200, one.post('/add-credits', { user_id: user, amount: 10 }));
      const again = await other.post(path, body, key);
      expect([again.status, again.text, isReplay(again)]).toEqual([status, refused.text, true]);
      expect(again.headers.get('content-type')).toBe(refused.headers.get('content-type'));
      expect((await one.post(path, body, randomUUID())).status).toBeLessThan(300);
    }
  });

  test.each([
    ['nothing', ''],
    ['a space', 'a b'],
    ['too much', 'x'.repeat(201)],
    ['another alphabet', 'sch\u00f6n'],
  ])('of %s is refused', async (_what, key) => {
    const user = await one.newUser(uniqueName('user'), 60);
    for (const path of ['/deduct-credits', '/holds']) {
      const answer = await one.post(path, { user_id: user, amount: 3, app_name: 'penora' }, key);
      expect([path, answer.status]).toEqual([path, 400]);
    }
    expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });
  });
});

describe('a process that is killed', () => {
  test('between commit and answer, then a retry through another: one effect', async () => {
    const REQUESTS = 50;
    const user = await one.newUser(uniqueName('user'), 1_000);
    // The process reaches MongoDB through this link. The link lets its commits through and keeps MongoDB's answers, so
    // the process cannot know that anything was committed, and cannot have answered. The test looks past the link.
    const link = await openMongoLink(system.mongoUrl);
    onTestFinished(() => link.close());
    const victim = await system.startWeb({ MONGODB_URL: link.url });
    const doomed = new CreditsClient(victim, system);
    await doomed.expect(200, doomed.deduct(user, 1));
    link.holdCommits();

    const keys = Array.from({ length: REQUESTS }, () => randomUUID());
    const sending = Promise.allSettled(keys.map((key) => doomed.deduct(user, 1, key)));
    const replies = system.connection.collection('idempotency_replies');
    const before = await replies.countDocuments({});
    const committed = await waitFor('a commit went through', async () => {
      const { credits } = await one.balance(user);
      return credits < 999 ? 999 - credits : undefined;
    });
    victim.kill('SIGKILL');
    await victim.exited;
    const sent = await sending;
    expect(sent.map(({ status }) => status)).toEqual(keys.map(() => 'rejected'));
    expect(committed).toBeGreaterThan(0);
    expect(await replies.countDocuments({}), 'the replies of what is committed are there').toBe(
      before + committed,
    );

    const retries = await Promise.all(keys.map((key) => other.deductSurely(user, 1, key)));
    expect(statusCounts(retries)).toEqual({ 200: REQUESTS });
    expect(retries.filter(isReplay), 'those that had been committed are replayed').toHaveLength(committed);
    expect(await one.balance(user)).toEqual({ credits: 999 - REQUESTS, held: 0 });
    const deductions = (await one.movements(user)).filter(({ kind }) => kind === 'deduction');
    expect(deductions).toHaveLength(REQUESTS + 1);
    const balances = retries.map(({ text }) => JSON.parse(text).new_balance).sort((a, b) => b - a);
    expect(balances, 'each effect has one answer').toEqual(keys.map((_, index) => 998 - index));
  });

  test('in the middle of a storm of writes, then retries of all: one effect each', async () => {
    const REQUESTS = 400;
    const user = await one.newUser(uniqueName('user'), 1_000);
    const victim = await system.startWeb();
    const doomed = new CreditsClient(victim, system);
    const keys = Array.from({ length: REQUESTS }, () => randomUUID());
    let answered = 0;
    const sending = Promise.allSettled(
      keys.map(async (key) => {
        await doomed.expect(200, doomed.deduct(user, 1, key));
        answered += 1;
        // Some are answered, some are on their way, some not begun.
        if (answered === 20) victim.kill('SIGKILL');
      }),
    );
    await victim.exited;
    const lost = (await sending).filter(({ status }) => status === 'rejected').length;
    expect(lost, 'the kill came in the middle').toBeGreaterThan(0);

    const retries = await Promise.all(keys.map((key) => other.deductSurely(user, 1, key)));
    expect(statusCounts(retries)).toEqual({ 200: REQUESTS });
    expect(retries.filter(isReplay).length).toBeGreaterThanOrEqual(REQUESTS - lost);
    expect(await one.balance(user)).toEqual({ credits: 1_000 - REQUESTS, held: 0 });
    const deductions = (await one.movements(user)).filter(({ kind }) => kind === 'deduction');
    expect(deductions).toHaveLength(REQUESTS);
  });
});

test('an outage is answered with 503 in time and does not use the key up', async () => {
  const user = await one.newUser(uniqueName('user'), 60);
  const link = await openMongoLink(system.mongoUrl);
  onTestFinished(() => link.close());
  const client = new CreditsClient(await system.startWeb({ MONGODB_URL: link.url }), system);
  const key = randomUUID();
  const hold = { user_id: user, amount: 5, app_name: 'imagegene' };
  link.cut();
  for (const send of [() => client.deduct(user, 3, key), () => client.post('/holds', hold, key)]) {
    const away = await inTime(send);
    expect(away.status, away.text).toBe(503);
    expect(away.headers.get('retry-after')).toMatch(/^\d+$/);
  }
  link.mend();
  const back = await waitFor('MongoDB is back', async () => {
    const answer = await client.deduct(user, 3, key);
    return answer.status === 503 ? undefined : answer;
  });
  expect([back.status, isReplay(back)]).toEqual([200, false]);
  await client.expect(201, client.post('/holds', hold, key));
  expect(await one.balance(user)).toEqual({ credits: 52, held: 5 });
});

test('the ledger is clean after all of it', () => expectCleanLedger(system));
