import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { findRecord } from '../../src/producers/usage/findRecord.ts';
import { UsageRecorder } from '../../src/producers/usage/recordUsage.ts';
import { voidRecord } from '../../src/producers/usage/voidRecord.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { startProcess } from '../support/processes.ts';
import { seededRandom } from '../support/seededRandom.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { type Answer, exactJson, sums, UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** Single records, voiding and the series. Every test begins and ends without a worker. */
let system: TestSystem;
let api: UsageApi;
let lastUserId = 0;

beforeAll(async () => {
  system = await createTestSystem('records');
  const web = await system.startWeb();
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(() => system.remove());

async function newSeller(userName = uniqueName('seller')): Promise<{ userName: string; user_id: number }> {
  await system.addUsers([{ user_id: ++lastUserId, user_name: userName }]);
  return { userName, user_id: lastUserId };
}

/** Runs workers until everything that waits is stored. */
async function storeAll(): Promise<void> {
  const stop = await startLocalWorkers(system, {}, ['usage']);
  const pending = `{${system.prefix}:usage}:pending-records`;
  try {
    await waitFor('nothing waits', async () =>
      (await system.redis.exists(pending)) === 0 ? true : undefined,
    );
  } finally {
    await stop();
  }
}

const recordOf = async (id: number | string) =>
  exactJson((await api.operate(`/api/tools/records/${id}`)).text);
const voidOf = (id: number | string): Promise<Answer> =>
  api.operate(`/api/tools/records/${id}/void`, { method: 'POST' });

const REPORT = {
  image_count: 3,
  image_cost: '0.0609',
  video_count: 1,
  video_cost: '6.40',
  timestamp: '2026-01-05T09:30:00.5',
};

describe('a record', () => {
  test('is shown while it is queued and when it is stored', async () => {
    const { userName, user_id } = await newSeller();
    const plain = await api.report({ userName, ...REPORT });
    const named = await api.report({ userName, ...REPORT, event_id: 'named' });
    const expected = (state: string, recordId: number, event_id: string | null) => ({
      record_id: String(recordId),
      state,
      userName,
      user_id: String(user_id),
      received_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event_id,
      logged_data: {
        image_count: '3',
        image_cost: '0.0609',
        video_count: '1',
        video_cost: '6.4',
        total_cost: '6.4609',
        timestamp: '2026-01-05 09:30:00',
      },
      voids: null,
      voided_by: null,
    });
    const queued = await recordOf(plain.recordId);
    expect(queued).toEqual(expected('queued', plain.recordId, null));
    expect(await recordOf(named.recordId)).toEqual(expected('queued', named.recordId, 'named'));
    await storeAll();
    expect(await recordOf(plain.recordId)).toEqual({ ...queued, state: 'stored' });
    expect(await recordOf(named.recordId)).toEqual(expected('stored', named.recordId, 'named'));
  });

  test('that nobody has is 404, and none is shown without the key', async () => {
    for (const id of ['0', '999999999', '9'.repeat(30), '-1', '1.5', 'abc', '1e3', '%00', '__proto__']) {
      for (const answer of [await api.operate(`/api/tools/records/${id}`), await voidOf(id)]) {
        expect([id, answer.status]).toEqual([id, 404]);
        expect(answer.headers.get('content-type')).toContain('application/problem+json');
      }
    }
    for (const path of ['/api/tools/records/1', '/api/tools/usage']) {
      expect((await api.ask(path)).status).toBe(401);
    }
    expect((await api.ask('/api/tools/records/1/void', { method: 'POST' })).status).toBe(401);
  });
});

test('a web process that has never reached MongoDB answers 503, whatever it is asked', async () => {
  const web = startProcess('src/api/main.ts', {
    ...system.environment,
    MONGODB_URL: 'mongodb://127.0.0.1:1/never',
  });
  const { address } = JSON.parse(await web.line((text) => text.includes('The API listens')));
  const cutOff = new UsageApi(address, system.adminKey);
  try {
    for (const answer of [
      await cutOff.operate('/api/tools/records/1'),
      await cutOff.operate('/api/tools/records/1/void', { method: 'POST' }),
      await cutOff.operate('/api/tools/usage'),
      await cutOff.ask('/api/tools/stats/demo.seller'),
      await cutOff.form({ userName: 'demo.seller' }),
      await cutOff.batch('[{"userName":"demo.seller"}]'),
    ]) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
    }
  } finally {
    await web.stop();
  }
});

test('a web process in another time zone than that of the totals takes nothing in before it ends', async () => {
  const { userName } = await newSeller();
  await api.report({ userName, image_count: 1 });
  await storeAll();
  const web = startProcess('src/api/main.ts', { ...system.environment, BUSINESS_TIME_ZONE: 'Europe/Berlin' });
  const { address } = JSON.parse(await web.line((text) => text.includes('The API listens')));
  const misplaced = new UsageApi(address, system.adminKey);
  const statuses = new Set<number>();
  const ended = Symbol('ended');
  for (;;) {
    const answer = await Promise.all([
      misplaced.form({ userName, image_count: '1' }),
      misplaced.ask(`/api/tools/stats/${userName}`),
      misplaced.ask('/readyz'),
    ]).catch(() => ended);
    if (!Array.isArray(answer)) break;
    for (const { status } of answer) statuses.add(status);
  }
  expect((await web.exited).code).not.toBe(0);
  expect([...statuses].filter((status) => status !== 503)).toEqual([]);
  expect(web.lines.join('\n')).toContain('BUSINESS_TIME_ZONE is Europe/Berlin');
  expect(await api.stats(userName)).toEqual(sums('1', '0', '0', '0', '0'));
});

describe('voiding', () => {
  test.each([
    ['queued', 'queued'],
    ['queued', 'stored'],
    ['stored', 'stored'],
  ])(
    'of a %s record, whose counter entry is %s in the end: once, however often it is asked',
    async (first, last) => {
      const { userName } = await newSeller();
      const wrong = await api.report({ userName, ...REPORT });
      await api.report({ userName, image_count: 1, image_cost: '0.1', timestamp: REPORT.timestamp });
      if (first === 'stored') await storeAll();
      const answers = await Promise.all([
        voidOf(wrong.recordId),
        voidOf(wrong.recordId),
        voidOf(wrong.recordId),
      ]);
      if (last === 'stored') await storeAll();
      answers.push(await voidOf(wrong.recordId));

      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
      const counters = answers.map((answer) => exactJson(answer.text));
      expect(new Set(counters.map((counter) => counter.record_id)).size).toBe(1);
      expect(counters.at(-1)).toMatchObject({
        state: last,
        voids: String(wrong.recordId),
        voided_by: null,
        logged_data: {
          image_count: '-3',
          image_cost: '-0.0609',
          video_count: '-1',
          video_cost: '-6.4',
          total_cost: '-6.4609',
          timestamp: '2026-01-05 09:30:00',
        },
      });
      expect(await recordOf(wrong.recordId)).toMatchObject({ voided_by: counters[0].record_id, voids: null });
      expect(await api.stats(userName)).toEqual(sums('1', '0.1', '0', '0', '0.1'));
      expect(await api.stats(userName, '?date_from=2026-01-05&date_to=2026-01-05')).toEqual(
        sums('1', '0.1', '0', '0', '0.1'),
      );
      const again = await voidOf(counters[0].record_id);
      expect(again.status, 'a counter entry cannot be taken back').toBe(409);
      await storeAll();
      expect(await api.stats(userName)).toEqual(sums('1', '0.1', '0', '0', '0.1'));
    },
  );

  test('that came too late has taken nothing back, says so, and may be asked for again', async () => {
    const { userName } = await newSeller();
    const { recordId } = await api.report({ userName, ...REPORT });
    await storeAll();
    const queues = openQueues(system.redis, system.prefix);
    const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');
    const prefix = queuePrefix(system.prefix, usageQueue.name);
    const lookup = {
      queue: queues.of(usageQueue),
      pending: new UsagePending(system.redis, prefix, calendar),
      connection: system.connection,
    };
    try {
      const wrong = await findRecord(lookup, recordId);
      if (!wrong) throw new Error('The record is not there');
      const late = { requestId: 'late', queueBefore: performance.now() - 1 };
      const recorder = new UsageRecorder({ ...lookup, backlogLimit: 1_000 });
      await expect(voidRecord(recorder, wrong.event, Date.now(), late)).rejects.toThrow(
        ServiceUnavailableError,
      );
    } finally {
      await queues.close();
    }
    expect(await recordOf(recordId)).toMatchObject({ voided_by: null });
    const counter = exactJson((await voidOf(recordId)).text);
    expect(await recordOf(recordId)).toMatchObject({ voided_by: counter.record_id });
    expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
  });

  test('leaves the id of the wrong event taken', async () => {
    const { userName } = await newSeller();
    const first = await api.report({ userName, image_count: 1, event_id: 'e' });
    expect((await voidOf(first.recordId)).status).toBe(200);
    expect((await api.report({ userName, image_count: 1, event_id: 'e' })).recordId).toBe(first.recordId);
    expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
    await storeAll();
    expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
  });
});

describe('the series', () => {
  const sellers: { userName: string; user_id: number }[] = [];
  const events: {
    user_id: number;
    userName: string;
    timestamp: string;
    image_count: number;
    units: number;
  }[] = [];
  const FIRST_DAY = Date.UTC(2023, 10, 1);
  const DAYS = 75;

  /** Half of the events are stored, the other half is still queued, in the same hours. */
  beforeAll(async () => {
    for (let count = 0; count < 9; count++) sellers.push(await newSeller());
    const random = seededRandom(7);
    for (let index = 0; index < 1_200; index++) {
      const at = new Date(
        FIRST_DAY + Math.floor(random() * DAYS * 24) * 3_600_000 + Math.floor(random() * 3_600_000),
      );
      const seller = sellers[Math.floor(random() ** 2 * sellers.length)] ?? { user_id: 0, userName: '' };
      const timestamp = at.toISOString().slice(0, 19);
      events.push({ ...seller, timestamp, image_count: 1, units: Math.floor(random() * 50_000) });
    }
    const post = async (part: typeof events) => {
      const body = part.map(({ userName, timestamp, image_count, units }, index) => ({
        userName,
        timestamp,
        image_count,
        image_cost: (units / 10_000).toFixed(4),
        ...(index % 5 === 0 ? { event_id: `${timestamp} ${index}` } : {}),
      }));
      expect(JSON.parse((await api.batch(JSON.stringify(body))).text).accepted).toBe(part.length);
    };
    await post(events.slice(0, 600));
    await storeAll();
    await post(events.slice(600));
  });

  const LENGTHS = { hour: 13, day: 10, month: 7 };

  /** `[period, user_id, count, cost]` of everything in the range, in the order of the answer. */
  function bruteForce(unit: keyof typeof LENGTHS, from: string, to: string, userId?: number): unknown[][] {
    const cells = new Map<string, { key: [string, number]; count: number; units: number }>();
    for (const event of events) {
      const day = event.timestamp.slice(0, unit === 'month' ? 7 : 10);
      if (day < from || day > to || (userId !== undefined && event.user_id !== userId)) continue;
      const cut = event.timestamp.slice(0, LENGTHS[unit]).replace('T', ' ');
      const period = unit === 'hour' ? `${cut}:00` : cut;
      const cell = cells.get(`${period} ${event.user_id}`) ?? {
        key: [period, event.user_id],
        count: 0,
        units: 0,
      };
      cell.count += event.image_count;
      cell.units += event.units;
      cells.set(`${period} ${event.user_id}`, cell);
    }
    return [...cells.values()]
      .sort((a, b) => (a.key[0] === b.key[0] ? a.key[1] - b.key[1] : a.key[0] < b.key[0] ? -1 : 1))
      .map(({ key, count, units }) => [key[0], String(key[1]), String(count), String(units / 10_000)]);
  }

  async function pages(query: string, from = ''): Promise<unknown[][]> {
    const rows: unknown[][] = [];
    for (let cursor: string | null = from; cursor !== null; ) {
      const answer = await api.operate(`/api/tools/usage?${query}${cursor && `&cursor=${cursor}`}`);
      expect(answer.status, answer.text).toBe(200);
      const page = exactJson(answer.text);
      for (const row of page.rows) {
        expect(row.total_cost).toBe(row.image_cost);
        rows.push([row.period, row.user_id, row.image_count, row.image_cost]);
      }
      expect(answer.headers.get('link') === null).toBe(page.next_cursor === null);
      cursor = page.next_cursor;
    }
    return rows;
  }

  test.each([
    ['hour', '2023-11-10', '2023-11-30', 37],
    ['day', '2023-11-05', '2024-01-10', 50],
    ['day', '2023-12-24', '2023-12-24', 1],
    ['month', '2023-11', '2024-01', 4],
  ] as const)('by %s from %s to %s in pages of %i is the brute-force sum', async (unit, from, to, limit) => {
    const [first, last] = unit === 'month' ? [`${from}-15`, `${to}-02`] : [from, to];
    const range = `unit=${unit}&date_from=${first}&date_to=${last}&limit=${limit}`;
    const expected = bruteForce(unit, from, to);
    expect(expected.length).toBeGreaterThan(limit);
    expect(await pages(range)).toEqual(expected);
    const one = sellers[0] ?? { userName: '', user_id: 0 };
    expect(await pages(`${range}&userName=${one.userName.toUpperCase()}`)).toEqual(
      bruteForce(unit, from, to, one.user_id),
    );
  });

  test('a cursor of another question shows what lies behind it in the one that is asked', async () => {
    const cursor = (start: number, userId: number) => Buffer.from(`${start}:${userId}`).toString('base64url');
    const days = 'unit=day&date_from=2024-01-01&date_to=2024-01-03';
    const expected = bruteForce('day', '2024-01-01', '2024-01-03');
    expect(await pages(days, cursor(Date.UTC(2023, 10, 3), 0))).toEqual(expected);
    expect(await pages(days, cursor(Date.UTC(2024, 1, 3), 0))).toEqual([]);
    const [one, two] = [sellers[0], sellers[1]];
    const newYear = Date.parse('2024-01-01T00:00:00+07:00');
    expect(await pages(`${days}&userName=${two?.userName}`, cursor(newYear, one?.user_id ?? 0))).toEqual(
      bruteForce('day', '2024-01-01', '2024-01-03', two?.user_id),
    );
  });

  test('paging goes on where it was when the queue drains in between', async () => {
    const query = 'unit=day&date_from=2023-11-01&date_to=2024-01-31&limit=100';
    const first = exactJson((await api.operate(`/api/tools/usage?${query}`)).text);
    await storeAll();
    const rest = await pages(query, first.next_cursor);
    const expected = bruteForce('day', '2023-11-01', '2024-01-31');
    expect(rest).toEqual(expected.slice(100));
    expect(await pages(query)).toEqual(expected);
  });
});

test('CSV has the rows of JSON, the next page in a header, and no formula in a name', async () => {
  const names = ['=1+1', '+seller', '-seller', '@seller', 'com,ma "quoted"', 'ünï'];
  const users: number[] = [];
  for (const name of names) {
    const seller = await newSeller(name);
    users.push(seller.user_id);
    await api.report({
      userName: name,
      image_count: 1,
      image_cost: '0.0609',
      timestamp: '2022-05-05 10:00:00',
    });
  }
  const query = 'unit=day&date_from=2022-05-05&date_to=2022-05-05&format=csv';
  const answer = await api.operate(`/api/tools/usage?${query}`);
  expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  expect(answer.headers.get('link')).toBe(null);
  const shown = [`'=1+1`, `'+seller`, `'-seller`, `'@seller`, '"com,ma ""quoted"""', 'ünï'];
  expect(answer.text.split('\n')).toEqual([
    'period,start,userName,user_id,image_count,image_cost,video_count,video_cost,total_cost',
    ...shown.map(
      (name, index) => `2022-05-05,2022-05-04T17:00:00.000Z,${name},${users[index]},1,0.0609,0,0,0.0609`,
    ),
    '',
  ]);
  const page = await api.operate(`/api/tools/usage?${query}&limit=4`);
  const next = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
  expect((await api.operate(next)).text.split('\n')).toHaveLength(4);
});

test.each([
  ['unit=week', 400],
  ['limit=0', 400],
  ['limit=1001', 400],
  ['limit=ten', 400],
  ['limit=', 400],
  ['format=xml', 400],
  ['cursor=x', 400],
  ['cursor=MTIz', 400],
  ['date_from=2026-02-30', 400],
  ['date_to=yesterday', 400],
  ['date_from=2026-01-02&date_to=2026-01-01', 400],
  ['unit=day&unit=month', 400],
  ['userName[$ne]=x&unit[$ne]=x', 200],
  ['userName=nobody', 404],
  ['userName=%20', 400],
  ['date_from=0100-01-01&date_to=9999-12-31&unit=month', 200],
])('the series with %s is %i', async (query, status) => {
  const answer = await api.operate(`/api/tools/usage?${query}`);
  expect(answer.status, answer.text).toBe(status);
  if (status >= 400) expect(JSON.parse(answer.text)).toMatchObject({ status, instance: '/api/tools/usage' });
});
