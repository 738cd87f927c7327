import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { settleDueUsers } from '../../src/models/ledgerUpkeep.ts';
import { CreditsClient, statusCounts } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { CLOCK_THAT_JUMPS, JUMP_MILLISECONDS, letOwnTimePass, letTimePass } from '../support/letTimePass.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

let system: TestSystem;
let one: CreditsClient;
let other: CreditsClient;

beforeAll(async () => {
  system = await createTestSystem('holds');
  const [first, second] = await Promise.all([system.startWeb(), system.startWeb()]);
  one = new CreditsClient(first, system);
  other = new CreditsClient(second, system);
});

afterAll(() => system.remove());

/** What the upkeep of the workers does each minute, all the time until the test is over. */
function settleUntilFinished(): void {
  let isOver = false;
  const settling = (async () => {
    while (!isOver) {
      for await (const { failures } of settleDueUsers(system.connection)) expect(failures).toEqual([]);
    }
  })();
  onTestFinished(async () => {
    isOver = true;
    await settling;
  });
}

const either = (index: number) => (index % 2 === 0 ? one : other);

describe('a hold', () => {
  test('sets credits aside, is captured in parts, and gives the rest back', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const hold = await one.hold(user, 20, { description: 'An image' });
    expect(hold).toMatchObject({
      user_id: user,
      amount: 20,
      captured: 0,
      status: 'open',
      app_name: 'imagegene',
      description: 'An image',
      balance: { user_id: user, credits: 40, held: 20 },
      movements: [{ kind: 'hold', hold_id: hold.hold_id }],
    });
    expect(Date.parse(hold.expires_at) - Date.parse(hold.created_at)).toBeCloseTo(900_000, -4);
    expect(await other.balance(user)).toEqual({ credits: 40, held: 20 });

    const capture = `/holds/${hold.hold_id}/capture`;
    const first = await other.expect(200, other.post(capture, { amount: 5, final: false }));
    expect(first).toMatchObject({ captured: 5, status: 'open', balance: { credits: 40, held: 15 } });
    const tooMuch = await one.expect(422, one.post(capture, { amount: 16 }));
    expect(tooMuch).toMatchObject({ reason: 'more-than-held' });
    const last = await one.expect(200, one.post(capture, { amount: 7, project_code: 'IMG_1' }));
    expect(last).toMatchObject({ captured: 12, status: 'captured', balance: { credits: 48, held: 0 } });
    expect(await one.expect(200, other.get(`/holds/${hold.hold_id}`))).toMatchObject({
      hold_id: hold.hold_id,
      captured: 12,
      status: 'captured',
    });

    for (const path of [capture, `/holds/${hold.hold_id}/release`]) {
      expect(await one.expect(409, one.post(path, {}))).toMatchObject({
        reason: 'hold-not-open',
        hold_status: 'captured',
      });
    }
    expect(await one.balance(user)).toEqual({ credits: 48, held: 0 });
  });

  test('is captured whole when nothing is said, and released without a body', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const [whole, back] = [await one.hold(user, 20), await one.hold(user, 30)];
    expect(await one.expect(200, one.post(`/holds/${whole.hold_id}/capture`))).toMatchObject({
      captured: 20,
      status: 'captured',
      balance: { credits: 10, held: 30 },
    });
    expect(await one.expect(200, one.post(`/holds/${back.hold_id}/release`))).toMatchObject({
      captured: 0,
      status: 'released',
      balance: { credits: 40, held: 0 },
    });
    const kinds = (await one.movements(user)).map(({ kind }) => kind);
    expect(kinds.slice(0, 4)).toEqual(['release', 'capture', 'hold', 'hold']);
    const { all_transactions } = await one.expect(200, one.get(`/transactions?user_id=${user}`));
    expect(
      all_transactions.map((item: { transaction_type: string; amount: number }) => [
        item.transaction_type,
        item.amount,
      ]),
      'the contract lists the capture as used, and no hold',
    ).toEqual([
      ['used', -20],
      ['adjustment', 50],
      ['bonus', 10],
    ]);
  });

  test('is listed by user and status in pages, newest first', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.unshift((await either(count).hold(user, 1)).hold_id);
    await one.expect(200, one.post(`/holds/${ids[1]}/release`));
    const listed = async (query: string) => {
      const page = await one.expect(200, one.get(`/holds?user_id=${user}${query}`));
      const found: string[] = page.holds.map(({ hold_id }: { hold_id: string }) => hold_id);
      return { found, next: page.next_cursor };
    };
    expect(await listed('')).toEqual({ found: ids, next: null });
    expect((await listed('&status=released')).found).toEqual([ids[1]]);
    const first = await listed('&limit=2');
    // A hold that is made meanwhile shifts nothing.
    await other.hold(user, 1);
    const second = await listed(`&limit=2&cursor=${first.next}`);
    const third = await listed(`&limit=2&cursor=${second.next}`);
    expect([...first.found, ...second.found, ...third.found]).toEqual(ids);
    expect(third.next).toBe(null);
  });

  test('that expires comes back by itself, and cannot be used from its end on', async () => {
    const user = await one.newUser(uniqueName('user'), 60);
    const touched = await one.hold(user, 25, { expires_in_seconds: 1 });
    const over = await waitFor('the hold is over', async () => {
      const answer = await one.post(`/holds/${touched.hold_id}/capture`, { amount: 26 });
      return answer.status === 409 ? JSON.parse(answer.text) : undefined;
    });
    expect(over).toMatchObject({ reason: 'hold-not-open', hold_status: 'expired' });
    expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });

    settleUntilFinished();
    const { hold_id } = await one.hold(user, 25, { expires_in_seconds: 1 });
    await waitFor('it comes back when nobody touches it', async () =>
      (await one.balance(user)).held === 0 ? true : undefined,
    );
    expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });
    expect(await one.expect(200, one.get(`/holds/${hold_id}`))).toMatchObject({
      status: 'expired',
      captured: 0,
    });
  });
});

test.each([
  ['more than there is', { amount: 61 }, 402, { reason: 'insufficient-credits' }],
  ['nothing', { amount: 0 }, 400, { errors: [{ field: 'amount' }] }],
  ['a fraction', { amount: 1.5 }, 400, { errors: [{ field: 'amount' }] }],
  ['a text', { amount: '5' }, 400, { errors: [{ field: 'amount' }] }],
  ['more than counts exactly', { amount: 2 ** 53 }, 400, { errors: [{ field: 'amount' }] }],
  ['too long', { expires_in_seconds: 7 * 86_400 + 1 }, 400, { errors: [{ field: 'expires_in_seconds' }] }],
  ['a field that nobody knows', { expires_in: 5 }, 400, { status: 400 }],
  ['half a character', { description: '\ud800' }, 400, { status: 400 }],
  ['a name with a NUL', { app_name: 'a\u0000b' }, 400, { status: 400 }],
  ['a user who is unknown', { user_id: 'nobody' }, 404, { reason: 'unknown-user' }],
  ['a user that is an object', { user_id: { $ne: '' } }, 400, { errors: [{ field: 'user_id' }] }],
])('a hold of %s is refused, and moves nothing', async (_what, fields, status, problem) => {
  const user = await one.newUser(uniqueName('user'), 60);
  const body = { user_id: user, amount: 5, app_name: 'imagegene', ...fields };
  const answer = await one.post('/holds', body);
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(JSON.parse(answer.text)).toMatchObject(problem);
  expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });
});

test.each([
  ['GET', ''],
  ['POST', '/capture'],
  ['POST', '/release'],
])('%s of a hold%s that nobody has is 404', async (method, action) => {
  for (const id of ['x', '00000000-0000-4000-8000-000000000000', '%24ne', '__proto__']) {
    const answer = await one.send(method, `/holds/${id}${action}`, method === 'POST' ? {} : undefined);
    expect([id, answer.status]).toEqual([id, 404]);
    expect(JSON.parse(answer.text)).toMatchObject({ reason: 'unknown-hold' });
  }
});

test.each(['/capture', '/release'])('an id that is far too long for a hold%s is 400', async (action) => {
  const answer = await one.post(`/holds/${'a'.repeat(10_001)}${action}`, {});
  expect(answer.status, answer.text).toBe(400);
});

describe('many at once', () => {
  test('100 clients capture one hold through two processes: exactly one wins', async () => {
    const user = await one.newUser(uniqueName('user'), 100);
    const { hold_id } = await one.hold(user, 40);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => either(index).post(`/holds/${hold_id}/capture`, {})),
    );
    expect(statusCounts(answers)).toEqual({ 200: 1, 409: 99 });
    expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });
    const captures = (await one.movements(user)).filter(({ kind }) => kind === 'capture');
    expect(captures).toHaveLength(1);
  });

  test('parts of one hold are captured by many: never more than was held', async () => {
    const user = await one.newUser(uniqueName('user'), 100);
    const { hold_id } = await one.hold(user, 40);
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        either(index).post(`/holds/${hold_id}/capture`, { amount: 1, final: false }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(40);
    expect(await one.expect(200, one.get(`/holds/${hold_id}`))).toMatchObject({
      captured: 40,
      status: 'captured',
    });
    expect(await one.balance(user)).toEqual({ credits: 60, held: 0 });
  });

  test('capture, release and expiry raced: each hold resolves once', async () => {
    const HOLDS = 60;
    const AMOUNT = 5;
    const user = await one.newUser(uniqueName('user'), HOLDS * AMOUNT);
    const webs = await Promise.all([system.startWeb(CLOCK_THAT_JUMPS), system.startWeb(CLOCK_THAT_JUMPS)]);
    const [first, second] = webs.map((web) => new CreditsClient(web, system));
    if (!first || !second) throw new Error('two clients');
    const either = (index: number) => (index % 2 === 0 ? first : second);
    settleUntilFinished();
    const holds: { hold_id: string }[] = await Promise.all(
      Array.from({ length: HOLDS }, (_, index) =>
        either(index).hold(user, AMOUNT, { expires_in_seconds: JUMP_MILLISECONDS / 1_000 }),
      ),
    );
    const resolve = (some: typeof holds) =>
      Promise.all(
        some.map(async ({ hold_id }, index) => {
          const [capture, release] = await Promise.all([
            either(index).postSurely(`/holds/${hold_id}/capture`, {}),
            either(index + 1).postSurely(`/holds/${hold_id}/release`, {}),
          ]);
          return { hold_id, capture, release };
        }),
      );
    // Some before their end, some while it comes, at one process sooner than at the other, and some afterwards.
    const before = await resolve(holds.slice(0, 20));
    const [meanwhile] = await Promise.all([resolve(holds.slice(20, 40)), ...webs.map(letTimePass)]);
    letOwnTimePass();
    const outcomes = [...before, ...meanwhile, ...(await resolve(holds.slice(40)))];
    const movements = await waitFor('each hold is resolved', async () => {
      const all = (await first.movements(user)).filter(({ hold_id }) => hold_id !== null);
      return all.length === 2 * HOLDS ? all : undefined;
    });
    let captured = 0;
    const ends: Record<string, number> = {};
    for (const { hold_id, capture, release } of outcomes) {
      const hold = await first.expect(200, first.get(`/holds/${hold_id}`));
      ends[hold.status] = (ends[hold.status] ?? 0) + 1;
      expect(hold.status).not.toBe('open');
      expect([capture.status, release.status]).toEqual([
        hold.status === 'captured' ? 200 : 409,
        hold.status === 'released' ? 200 : 409,
      ]);
      captured += hold.captured;
      const kinds = movements.filter((movement) => movement.hold_id === hold_id).map(({ kind }) => kind);
      expect(kinds, 'set aside once, and resolved once').toHaveLength(2);
      expect(kinds[1]).toBe('hold');
    }
    expect(await first.balance(user)).toEqual({ credits: HOLDS * AMOUNT - captured, held: 0 });
    // Otherwise nothing was raced.
    expect(Object.keys(ends).length, JSON.stringify(ends)).toBeGreaterThan(1);
  });
});

test('the ledger is clean after all of it', () => expectCleanLedger(system));
