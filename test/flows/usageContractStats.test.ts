import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rawExchange } from '../support/rawExchange.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { type Answer, exactJson, refusal, sums, UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** `GET /api/tools/stats/{userName}` as the usage contract words it, line by line, in a zone that is not the default. */
const ZONE = 'America/New_York';

const WITHOUT_ROWS = { user_id: 12, user_name: 'demo.seller@example.test' };

let system: TestSystem;
let api: UsageApi;
let lastUserId = 1_000;

beforeAll(async () => {
  system = await createTestSystem('contract-stats');
  await system.addUsers([
    WITHOUT_ROWS,
    { user_id: 31, user_name: 'not.a.seller', roles: 2 },
    { user_id: 32, user_name: 'not.active', status: 0 },
  ]);
  const web = await system.startWeb({ BUSINESS_TIME_ZONE: ZONE });
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(() => system.remove());

async function newSeller(): Promise<string> {
  const user_name = uniqueName('seller');
  await system.addUsers([{ user_id: ++lastUserId, user_name }]);
  return user_name;
}

const ask = (path: string): Promise<Answer> => api.ask(`/api/tools/stats/${path}`);
const dataOf = (answer: Answer) => exactJson(answer.text).data;

describe('the user', () => {
  test('without rows has zeros, all of them numbers, and was updated now', async () => {
    const before = wallClock(Date.now());
    const answer = await ask(WITHOUT_ROWS.user_name);
    const updated = dataOf(answer).last_updated;
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(
      '{"status":"success","data":{"userName":"demo.seller@example.test","user_id":12,' +
        '"filter":{"period":"all_time","date_from":null,"date_to":null,"description":"All Time"},' +
        '"stats":{"total_image_count":0,"total_image_cost":0,"total_video_count":0,"total_video_cost":0,"total_cost":0},' +
        `"last_updated":"${updated}"}}`,
    );
    expect(updated >= before && updated <= wallClock(Date.now()), updated).toBe(true);
  });

  test.each([
    'demo.seller@example.test',
    'demo.seller%40example.test',
    'DEMO.Seller%40Example.TEST',
    '%20demo.seller@example.test%20',
    'demo%2Eseller@example.test',
  ])('is found at %s and echoed as it is stored', async (path) => {
    const received = await rawExchange(api.url, [
      `GET /api/tools/stats/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ]);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(received).toContain('"data":{"userName":"demo.seller@example.test","user_id":12,');
  });

  test.each(['nobody', 'not.a.seller', 'not.active', '%20', 'demo.seller', 'a%00b', '%F0%9F%92%A9'])(
    '%s is 404, before the query is looked at',
    async (path) => {
      const answer = await ask(`${path}?period=never`);
      expect([answer.status, answer.text]).toEqual([404, refusal('User not found or not a seller')]);
    },
  );
});

describe('periods', () => {
  const DAYS = 75;
  /** One row on every day from now until 75 days ago, and one of long ago; each has another cost. */
  const costOf = (ago: number) => 1 + ago;
  let userName: string;
  let planted: string;

  beforeAll(async () => {
    userName = await newSeller();
    planted = dayText(Date.now());
    const rows = [...Array.from({ length: DAYS }, (_, ago) => ago), 800].map((ago) => ({
      userName,
      timestamp: `${addDays(planted, -ago)} ${ago % 2 === 0 ? '00:00:00' : '23:59:59'}`,
      image_count: 1,
      image_cost: `0.${String(costOf(ago)).padStart(4, '0')}`,
      video_count: 2,
      video_cost: `${costOf(ago)}.25`,
    }));
    const answer = await api.batch(JSON.stringify(rows));
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: DAYS + 1 });
  });

  interface Expected {
    readonly from: string;
    readonly to: string;
    readonly description: string;
  }

  const named: Record<string, (today: string) => Expected> = {
    today: (today) => ({ from: today, to: today, description: `Today (${today})` }),
    yesterday: (today) => {
      const day = addDays(today, -1);
      return { from: day, to: day, description: `Yesterday (${day})` };
    },
    this_week: (today) => week('This Week', addDays(today, -weekday(today))),
    last_week: (today) => week('Last Week', addDays(today, -weekday(today) - 7)),
    this_month: (today) => month('This Month', today.slice(0, 7)),
    last_month: (today) => month('Last Month', addDays(`${today.slice(0, 7)}-01`, -1).slice(0, 7)),
  };

  test.each(Object.keys(named))('%s', async (period) => {
    const { today, answer } = await onOneDay(() => ask(`${userName}?period=${period}`));
    const { from, to, description } = named[period]?.(today) ?? { from: '', to: '', description: '' };
    expect(dataOf(answer).filter).toEqual({ period, date_from: from, date_to: to, description });
    expect(dataOf(answer).stats).toEqual(sumOfDays(from, to));
  });

  test('all_time, asked for or not', async () => {
    const answers = [
      await ask(userName),
      await ask(`${userName}?period=all_time`),
      await ask(`${userName}?period=`),
    ];
    for (const answer of answers) {
      expect(dataOf(answer).filter).toEqual({
        period: 'all_time',
        date_from: null,
        date_to: null,
        description: 'All Time',
      });
      expect(dataOf(answer).stats).toEqual(sumOfDays('0000-00-00', '9999-99-99'));
    }
  });

  test.each([
    [0, 0],
    [1, 0],
    [40, 3],
    [7, 7],
    [74, 60],
    [900, 100],
    [2_000, 1_000],
    [3, -400],
  ])('the days from %i to %i ago, both with all their seconds', async (fromAgo, toAgo) => {
    const today = dayText(Date.now());
    const [from, to] = [addDays(today, -fromAgo), addDays(today, -toAgo)];
    const data = dataOf(await ask(`${userName}?date_from=${from}&date_to=${to}`));
    expect(data.filter).toEqual({
      period: 'custom',
      date_from: from,
      date_to: to,
      description: `Custom Range (${from} to ${to})`,
    });
    expect(data.stats).toEqual(sumOfDays(from, to));
  });

  test('a complete range counts before a period, even before a wrong one; one date alone is ignored', async () => {
    const day = dayText(Date.now());
    const periodOf = async (query: string) => dataOf(await ask(`${userName}?${query}`)).filter.period;
    expect(await periodOf(`date_from=${day}&date_to=${day}&period=last_month`)).toBe('custom');
    expect(await periodOf(`date_from=${day}&date_to=${day}&period=never`)).toBe('custom');
    expect(await periodOf(`date_from=${day}`)).toBe('all_time');
    expect(await periodOf(`date_to=${day}&period=last_week`)).toBe('last_week');
    expect(await periodOf(`date_from=${day}&date_to=&period=today`)).toBe('today');
  });

  test('more than a year is no error, nor are all the years there are', async () => {
    const all = sumOfDays('0000-00-00', '9999-99-99');
    for (const query of [
      'date_from=1999-01-01&date_to=2100-12-31',
      'date_from=0100-01-01&date_to=9999-12-31',
    ]) {
      expect(await api.stats(userName, `?${query}`)).toEqual(all);
    }
  });

  /** The planted rows of these days, summed in whole ten-thousandths. */
  function sumOfDays(from: string, to: string): Record<string, string> {
    const within = [...Array.from({ length: DAYS }, (_, ago) => ago), 800].filter((ago) => {
      const day = addDays(planted, -ago);
      return from <= day && day <= to;
    });
    const image = within.reduce((sum, ago) => sum + costOf(ago), 0);
    const video = within.reduce((sum, ago) => sum + costOf(ago) * 10_000 + 2_500, 0);
    return sums(
      String(within.length),
      decimal(image),
      String(2 * within.length),
      decimal(video),
      decimal(image + video),
    );
  }
});

describe('what is refused', () => {
  test.each([
    ['date_from=2026-01-06&date_to=2026-01-05', 'Invalid date range: date_from must be before date_to'],
    ['date_from=2026-1-5&date_to=2026-01-06', 'Invalid date format: use YYYY-MM-DD'],
    ['date_from=2026-01-05&date_to=06.01.2026', 'Invalid date format: use YYYY-MM-DD'],
    ['date_from=2026-02-30&date_to=2026-03-01', 'Invalid date format: use YYYY-MM-DD'],
    ['date_from=2026-01-05T00:00:00&date_to=2026-01-06', 'Invalid date format: use YYYY-MM-DD'],
    ['date_from=x&date_to=y', 'Invalid date format: use YYYY-MM-DD'],
    ['period=last_7_days', 'Invalid period'],
    ['period=TODAY', 'Invalid period'],
    ['period=custom', 'Invalid period'],
    ['date_from=2026-01-05&period=next_week', 'Invalid period'],
    ['period=constructor', 'Invalid period'],
  ])('%s', async (query, message) => {
    const answer = await ask(`${WITHOUT_ROWS.user_name}?${query}`);
    expect([answer.status, answer.text]).toEqual([400, refusal(message)]);
  });
});

test('last_updated is the receipt of the newest row, also of one that tells of long ago, queued or stored', async () => {
  const userName = await newSeller();
  await api.report({ userName, timestamp: '2026-01-05 09:30:00' });
  await waitFor('the next second', async () => (Date.now() % 1_000 < 500 ? true : undefined));
  const before = wallClock(Date.now());
  await api.report({ userName, timestamp: '2019-01-05 09:30:00' });
  const after = wallClock(Date.now());
  const queued = dataOf(await ask(userName)).last_updated;
  expect(queued >= before && queued <= after, queued).toBe(true);

  const worker = await system.startWorker({ BUSINESS_TIME_ZONE: ZONE });
  const rows = system.connection.collection('usage_records');
  await waitFor('both are stored', async () =>
    (await rows.countDocuments({ user_id: lastUserId })) === 2 ? true : undefined,
  );
  expect(dataOf(await ask(`${userName}?period=today`)).last_updated).toBe(queued);
  await worker.stop();
});

function week(label: string, sunday: string): { from: string; to: string; description: string } {
  const saturday = addDays(sunday, 6);
  return { from: sunday, to: saturday, description: `${label} (${sunday} to ${saturday})` };
}

function month(label: string, yearAndMonth: string): { from: string; to: string; description: string } {
  const [year = 0, monthNumber = 0] = yearAndMonth.split('-').map(Number);
  const last = new Date(Date.UTC(year, monthNumber, 0)).getUTCDate();
  const name = new Date(Date.UTC(year, monthNumber - 1)).toLocaleString('en-US', {
    month: 'long',
    timeZone: 'UTC',
  });
  return {
    from: `${yearAndMonth}-01`,
    to: `${yearAndMonth}-${last}`,
    description: `${label} (${name} ${year})`,
  };
}

/** Asks until the answer came on the day on which it was asked for. */
async function onOneDay(asking: () => Promise<Answer>): Promise<{ today: string; answer: Answer }> {
  for (;;) {
    const today = dayText(Date.now());
    const answer = await asking();
    if (dayText(Date.now()) === today) return { today, answer };
  }
}

const formatter = new Intl.DateTimeFormat('sv-SE', {
  timeZone: ZONE,
  dateStyle: 'short',
  timeStyle: 'medium',
});

function wallClock(instant: number): string {
  return formatter.format(instant);
}

function dayText(instant: number): string {
  return wallClock(instant).slice(0, 10);
}

function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10);
}

function weekday(day: string): number {
  return new Date(day).getUTCDay();
}

function decimal(tenThousandths: number): string {
  return String(tenThousandths / 10_000);
}
