import { randomBytes } from 'node:crypto';
import { parse as parseCsv } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreditsClient } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { CLOCK_THAT_JUMPS, JUMP_MILLISECONDS, letTimePass } from '../support/letTimePass.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** Statement, balance at a time, refunds, transfers, grants with an end, several balances. */
let system: TestSystem;
let api: CreditsClient;

beforeAll(async () => {
  system = await createTestSystem('statement');
  api = new CreditsClient(await system.startWeb(), system);
});

afterAll(() => system.remove());

interface Line {
  readonly movement_id: string;
  readonly kind: string;
  readonly at: string;
  readonly amount: number;
  readonly balance_after: number;
  readonly held_after: number;
  readonly entries: readonly { readonly account: string; readonly amount: number }[];
}

const statement = (query: string) => api.expect(200, api.get(`/statement?${query}`));

describe('the statement', () => {
  test('lists every movement with its entries and the balance after it', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    await api.expect(200, api.deduct(user, 5));
    const { hold_id } = await api.hold(user, 20);
    await api.expect(200, api.post(`/holds/${hold_id}/capture`, { amount: 12, project_code: 'IMG_1' }));
    const { movements, next_cursor, user_id } = await statement(`user_id=${user}`);
    expect([user_id, next_cursor]).toEqual([user, null]);
    expect(
      movements.map((line: Line) => [line.kind, line.amount, line.balance_after, line.held_after]),
    ).toEqual([
      ['release', 8, 43, 0],
      ['capture', 0, 35, 8],
      ['hold', -20, 35, 20],
      ['deduction', -5, 55, 0],
      ['opening', 50, 60, 0],
      ['bonus', 10, 10, 0],
    ]);
    expect(movements[1]).toMatchObject({
      transaction_type: 'used',
      app_name: 'imagegene',
      project_code: 'IMG_1',
      hold_id,
      refunds: null,
      entries: [
        { account: `held:${user}`, amount: -12 },
        { account: 'app:imagegene', amount: 12 },
      ],
    });
    for (const line of movements) {
      expect(line.entries.reduce((sum: number, entry: { amount: number }) => sum + entry.amount, 0)).toBe(0);
      expect(line.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
  });

  test('comes in pages that do not shift when movements are added', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    for (let count = 0; count < 10; count++) await api.expect(200, api.deduct(user, 1));
    const before = await api.movements(user);
    expect(before).toHaveLength(12);
    const ids: string[] = [];
    let cursor = '';
    for (;;) {
      const page = await statement(`user_id=${user}&limit=5${cursor}`);
      ids.push(...page.movements.map((line: Line) => line.movement_id));
      await api.expect(200, api.deduct(user, 1));
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(ids).toEqual(before.map(({ movement_id }) => movement_id));
    const answer = await api.get(`/statement?user_id=${user}&limit=5&api_key=secret`);
    const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? '';
    expect(link).not.toContain('secret');
    const next = await statement(link.slice(link.indexOf('?') + 1));
    expect(next.movements).toHaveLength(5);
  });

  test('of a range begins at its first moment and ends before its last', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    for (let count = 0; count < 6; count++) {
      await api.expect(200, api.deduct(user, 1));
      await nextMillisecond();
    }
    const all: Line[] = await api.movements(user);
    const [from, to] = [all[4]?.at ?? '', all[1]?.at ?? ''];
    const { movements } = await statement(`user_id=${user}&from=${from}&to=${to}`);
    expect(movements.map((line: Line) => line.movement_id)).toEqual(
      all.slice(2, 5).map((line) => line.movement_id),
    );
    expect((await statement(`user_id=${user}&from=${to}&to=${from}`)).movements).toEqual([]);
    const offset = encodeURIComponent(to.replace('Z', '+00:00'));
    expect((await statement(`user_id=${user}&from=${offset}`)).movements).toHaveLength(2);
  });

  test('as CSV has all of it, and no formula in a cell', async () => {
    const user = await api.newUser(uniqueName('user'), 2_000);
    const texts = ['=1+1', '+cmd', '-2', '@sum', '\tx', 'com,ma "quoted"\nline', 'ünï', '＝1'];
    for (const description of texts) {
      const body = { user_id: user, amount: 1, app_name: '=HYPERLINK("x")', description, project_code: '@p' };
      await api.expect(200, api.post('/deduct-credits', body));
    }
    // More than one page of the export.
    await Promise.all(Array.from({ length: 1_100 }, () => api.expect(200, api.deductSurely(user, 1))));
    const answer = await api.get(`/statement?user_id=${user}&format=csv&limit=3`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const lines = await api.movements(user);
    const [header, ...rows]: string[][] = parseCsv(answer.text);
    expect(header).toEqual(
      'at,movement_id,kind,transaction_type,app_name,description,project_code,hold_id,refunds,amount,balance_after,held_after'.split(
        ',',
      ),
    );
    expect(rows.map((row) => row[1])).toEqual(lines.map(({ movement_id }) => movement_id));
    const told = rows.filter((row) => row[6] === "'@p").reverse();
    expect(told.map((row) => row[5])).toEqual([
      "'=1+1",
      "'+cmd",
      "'-2",
      "'@sum",
      "'\tx",
      'com,ma "quoted"\nline',
      'ünï',
      "'＝1",
    ]);
    expect(new Set(told.map((row) => row[4]))).toEqual(new Set([`'=HYPERLINK("x")`]));
    expect(rows[0]?.[9], 'numbers stay numbers').toBe('-1');
  });

  test('as CSV ends when the reader goes, and the process goes on', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    const gone = new AbortController();
    const response = await fetch(`${api.url}/api/unified/statement?user_id=${user}&format=csv`, {
      headers: { Authorization: `Bearer ${system.adminKey}` },
      signal: gone.signal,
    });
    gone.abort();
    await response.text().catch(() => '');
    expect(await api.balance(user)).toEqual({ credits: 60, held: 0 });
  });

  test.each([
    ['', 400],
    ['user_id=', 400],
    ['user_id=nobody', 404],
    ['user_id=a&user_id=b', 400],
    ['user_id=nobody&from=yesterday', 400],
    ['user_id=nobody&to=2026-01-05', 400],
    ['user_id=nobody&limit=0', 400],
    ['user_id=nobody&limit=1001', 400],
    ['user_id=nobody&format=xml', 400],
    ['user_id=nobody&cursor=%24', 400],
  ])('with %j is %i', async (query, status) => {
    const answer = await api.get(`/statement?${query}`);
    expect(answer.status, answer.text).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ status, instance: '/api/unified/statement' });
  });
});

test('the balance at a time is what the entries up to then come to', async () => {
  const user = await api.newUser(uniqueName('user'), 60);
  const { hold_id } = await api.hold(user, 20);
  await nextMillisecond();
  await api.expect(200, api.post(`/holds/${hold_id}/capture`, { amount: 5 }));
  await nextMillisecond();
  await api.expect(200, api.deduct(user, 30));
  await nextMillisecond();
  const at = async (moment: string) =>
    (await api.expect(200, api.get(`/balance?user_id=${user}&at=${moment}`))).credits;
  const lines: Line[] = await api.movements(user);
  for (const line of lines) {
    // Several movements of one millisecond: the last one of them counts.
    const last = lines.find((one) => one.at === line.at);
    expect(await at(line.at)).toBe(last?.balance_after);
  }
  expect(await at('2020-01-01T00:00:00Z')).toBe(0);
  expect(await at('2200-01-01T00:00:00Z')).toBe(25);
  expect((await api.expect(200, api.get(`/balance?user_id=${user}`))).credits).toBe(25);
  await api.expect(404, api.get('/balance?user_id=nobody'));
  await api.expect(400, api.get(`/balance?user_id=${user}&at=now`));
});

describe('a refund', () => {
  test('gives a deduction back whole and once, and the second one is told of the first', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    await api.expect(200, api.deduct(user, 25));
    const [deduction] = await api.movements(user);
    const body = { movement_id: deduction.movement_id, description: 'Not made' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.post('/refunds', body)));
    const first = answers.filter(({ status }) => status === 201);
    expect(first).toHaveLength(1);
    const refund = JSON.parse(first[0]?.text ?? '');
    expect(refund).toMatchObject({
      kind: 'refund',
      refunds: deduction.movement_id,
      description: 'Not made',
      app_name: 'penora',
      balance: { user_id: user, credits: 60, held: 0 },
    });
    for (const { status, text } of answers) {
      if (status === 201) continue;
      expect(status).toBe(409);
      expect(JSON.parse(text)).toMatchObject({
        reason: 'already-refunded',
        refund_movement_id: refund.movement_id,
      });
    }
    expect((await api.balance(user)).credits).toBe(60);
  });

  test('of a capture works; of anything else, or nothing, it does not', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    const { hold_id } = await api.hold(user, 20);
    await api.expect(200, api.post(`/holds/${hold_id}/capture`));
    const [capture, hold, bonus] = await api.movements(user);
    const refund = await api.expect(201, api.post('/refunds', { movement_id: capture.movement_id }));
    expect(refund.balance).toEqual({ user_id: user, credits: 60, held: 0 });
    for (const { movement_id } of [hold, bonus, refund]) {
      const answer = await api.expect(409, api.post('/refunds', { movement_id }));
      expect(answer).toMatchObject({ reason: 'not-refundable' });
    }
    const nothing = await api.expect(404, api.post('/refunds', { movement_id: 'nothing' }));
    expect(nothing).toMatchObject({ reason: 'unknown-movement' });
    await api.expect(400, api.post('/refunds', { movement_id: { $ne: null } }));
  });
});

describe('a transfer', () => {
  test('takes from one and gives to the other', async () => {
    const [from, to] = [await api.newUser(uniqueName('from'), 60), await api.newUser(uniqueName('to'), 10)];
    const body = { from_user_id: from, to_user_id: to, amount: 25, description: 'A gift' };
    expect(await api.expect(201, api.post('/transfers', body))).toMatchObject({
      kind: 'transfer',
      description: 'A gift',
      from: { user_id: from, credits: 35, held: 0 },
      to: { user_id: to, credits: 35, held: 0 },
      entries: [
        { account: `user:${from}`, amount: -25 },
        { account: `user:${to}`, amount: 25 },
      ],
    });
    const lines = await Promise.all([api.movements(from), api.movements(to)]);
    expect(lines.map(([line]) => [line.kind, line.amount, line.balance_after])).toEqual([
      ['transfer', -25, 35],
      ['transfer', 25, 35],
    ]);
  });

  test.each([
    ['more than there is', { amount: 61 }, 402, 'insufficient-credits'],
    ['to nobody', { to_user_id: 'nobody' }, 404, 'unknown-user'],
    ['from nobody', { from_user_id: 'nobody' }, 404, 'unknown-user'],
    ['nothing', { amount: 0 }, 400, undefined],
  ])('of %s is refused', async (_what, fields, status, reason) => {
    const [from, to] = [await api.newUser(uniqueName('from'), 60), await api.newUser(uniqueName('to'), 10)];
    const body = { from_user_id: from, to_user_id: to, amount: 25, ...fields };
    const problem = await api.expect(status, api.post('/transfers', body));
    expect(problem.reason).toBe(reason);
    expect([await api.balance(from), await api.balance(to)]).toEqual([
      { credits: 60, held: 0 },
      { credits: 10, held: 0 },
    ]);
  });

  test('to oneself is refused', async () => {
    const user = await api.newUser(uniqueName('user'), 60);
    const body = { from_user_id: user, to_user_id: user, amount: 5 };
    expect(await api.expect(422, api.post('/transfers', body))).toMatchObject({ reason: 'same-user' });
  });
});

describe('a grant', () => {
  test('is spent soonest-to-expire first, and what is left at its end is gone', async () => {
    const web = await system.startWeb(CLOCK_THAT_JUMPS);
    const api = new CreditsClient(web, system);
    const user = await api.newUser(uniqueName('user'), 10);
    const grant = (amount: number, milliseconds: number) =>
      api.expect(
        201,
        api.post('/grants', {
          user_id: user,
          amount,
          expires_at: new Date(Date.now() + milliseconds).toISOString(),
        }),
      );
    await grant(20, 2 * JUMP_MILLISECONDS);
    const soon = await grant(5, JUMP_MILLISECONDS);
    expect(soon).toMatchObject({ kind: 'addition', transaction_type: 'bonus', balance: { credits: 35 } });
    // Of the one that ends soonest.
    await api.expect(200, api.deduct(user, 3));
    expect((await api.balance(user)).credits).toBe(32);
    await letTimePass(web);
    expect((await api.balance(user)).credits, 'its two last ones are gone').toBe(30);
    await api.expect(200, api.deduct(user, 20));
    expect((await api.balance(user)).credits).toBe(10);
    await api.expect(400, api.deduct(user, 11));
    const kinds = (await api.movements(user)).map((line: Line) => [line.kind, line.amount]);
    expect(kinds.slice(0, 3)).toEqual([
      ['deduction', -20],
      ['expiry', -2],
      ['deduction', -3],
    ]);
  });

  test.each([
    ['an end in the past', { expires_at: '2020-01-01T00:00:00Z' }, 422, 'already-expired'],
    ['an end before 1970', { expires_at: '1969-12-31T23:59:59Z' }, 422, 'already-expired'],
    ['no end', { expires_at: undefined }, 400, undefined],
    ['a day for its end', { expires_at: '2200-01-01' }, 400, undefined],
    ['nobody to have it', { user_id: 'nobody' }, 404, 'unknown-user'],
    ['more than can be counted', { amount: Number.MAX_SAFE_INTEGER }, 409, 'balance-too-large'],
  ])('with %s is refused', async (_what, fields, status, reason) => {
    const user = await api.newUser(uniqueName('user'), 10);
    const body = { user_id: user, amount: 5, expires_at: '2200-01-01T00:00:00Z', ...fields };
    const problem = await api.expect(status, api.post('/grants', body));
    expect(problem.reason).toBe(reason);
    expect((await api.balance(user)).credits).toBe(10);
  });
});

test('several balances come in the order of the question, with those that nobody has', async () => {
  const users = [await api.newUser(uniqueName('b'), 10), await api.newUser(uniqueName('a'), 20)];
  const ids = [...users, 'nobody', '__proto__', users[0]];
  const query = ids.map((id) => `user_id=${id}`).join('&');
  expect(await api.expect(200, api.get(`/balances?${query}`))).toEqual({
    balances: [
      { user_id: users[0], credits: 10, held: 0 },
      { user_id: users[1], credits: 20, held: 0 },
    ],
    unknown: ['nobody', '__proto__'],
  });
  const many = Array.from({ length: 101 }, () => `user_id=${randomBytes(4).toString('hex')}`);
  await api.expect(400, api.get(`/balances?${many.join('&')}`));
  await api.expect(200, api.get(`/balances?${many.slice(1).join('&')}`));
  await api.expect(400, api.get('/balances'));
});

test.each([
  ['POST', '/holds'],
  ['GET', '/holds?user_id=u'],
  ['GET', '/holds/x'],
  ['POST', '/holds/x/capture'],
  ['POST', '/holds/x/release'],
  ['POST', '/refunds'],
  ['POST', '/transfers'],
  ['POST', '/grants'],
  ['GET', '/balances?user_id=u'],
  ['GET', '/balance?user_id=u'],
  ['GET', '/balance/stream?user_id=u'],
  ['GET', '/statement?user_id=u'],
  ['PUT', '/thresholds/u'],
  ['GET', '/thresholds/u'],
])('%s %s without a credential is 401', async (method, path) => {
  const answer = await fetch(`${api.url}/api/unified${path}`, { method });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  await answer.text();
});

test('the ledger is clean after all of it', () => expectCleanLedger(system));

/** Until the clock shows another millisecond, so that two movements have two times. */
function nextMillisecond(): Promise<void> {
  return until(Date.now() + 1);
}

async function until(moment: number): Promise<void> {
  while (Date.now() <= moment) await new Promise((resolve) => setTimeout(resolve, moment - Date.now() + 1));
}
