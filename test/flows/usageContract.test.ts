import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { type Answer, recordIdOf, refusal, sums, UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** `POST /api/tools/update` as the usage contract words it, line by line, in the default zone (UTC+7). */
const DEMO = { user_id: 12, user_name: 'demo.seller' };
const AT = '2026-01-05 09:30:00';

let system: TestSystem;
let web: TestProcess;
let api: UsageApi;
let lastUserId = 1_000;

beforeAll(async () => {
  system = await createTestSystem('contract');
  await system.addUsers([
    DEMO,
    { user_id: 21, user_name: 'Mixed.Case@Example.test' },
    { user_id: 22, user_name: 'Twin' },
    { user_id: 23, user_name: 'twin' },
    { user_id: 31, user_name: 'not.a.seller', roles: 2 },
    { user_id: 32, user_name: 'not.active', status: 0 },
    { user_id: 33, user_name: 'neither', roles: 1, status: 2 },
  ]);
  const started = await Promise.all([system.startWeb(), system.startWorker()]);
  web = started[0];
  api = new UsageApi(started[0].url, system.adminKey);
});

afterAll(() => system.remove());

/** A seller of the test's own, so that its totals are its own too. */
async function newSeller(): Promise<string> {
  const user_name = uniqueName('seller');
  await system.addUsers([{ user_id: ++lastUserId, user_name }]);
  return user_name;
}

function accepted(answer: Answer, loggedData: string, user = DEMO): string {
  return (
    '{"status":"success","message":"Tools usage data logged successfully","data":' +
    `{"record_id":${recordIdOf(answer)},"userName":"${user.user_name}","user_id":${user.user_id},` +
    `"logged_data":${loggedData}}}`
  );
}

function logged(
  imageCount: string,
  imageCost: string,
  videoCount: string,
  videoCost: string,
  total: string,
  timestamp = AT,
): string {
  return (
    `{"image_count":${imageCount},"image_cost":${imageCost},"video_count":${videoCount},` +
    `"video_cost":${videoCost},"total_cost":${total},"timestamp":"${timestamp}"}`
  );
}

describe('what is accepted', () => {
  const whole = {
    userName: 'demo.seller',
    image_count: '3',
    image_cost: '0.0609',
    video_count: '1',
    video_cost: '6.40',
    total_cost: '6.4609',
    timestamp: AT,
  };

  test('a form, JSON and a multipart form get the same answer, to the byte, but for the record id', async () => {
    const answers = [await api.form(whole), await api.json(whole), await api.multipart(whole)];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(accepted(answer, logged('3', '0.0609', '1', '6.4', '6.4609')));
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(recordIdOf(answer)).toSatisfy(Number.isSafeInteger);
    }
    expect(new Set(answers.map(recordIdOf)).size).toBe(3);
  });

  test('JSON may hold numbers', async () => {
    const numbers = { image_count: 3, image_cost: 0.0609, video_count: 1, video_cost: 6.4, timestamp: AT };
    const answer = await api.json({ userName: 'demo.seller', ...numbers });
    expect(answer.text).toBe(accepted(answer, logged('3', '0.0609', '1', '6.4', '6.4609')));
  });

  test('all but the name is optional, and an empty or blank text is an absent one', async () => {
    const nothing = { image_count: '', image_cost: '', video_count: '', video_cost: '', total_cost: '' };
    const bodies = [
      {},
      { ...nothing, timestamp: '' },
      { ...nothing, image_cost: '  ', timestamp: ' ' },
      { unknown_field: 'x', count: '7' },
    ];
    for (const body of bodies) {
      for (const send of [api.form, api.json, api.multipart]) {
        const before = wallClock(Date.now());
        const answer = await send.call(api, { userName: 'demo.seller', ...body });
        const { timestamp } = JSON.parse(answer.text).data.logged_data;
        expect(answer.text).toBe(accepted(answer, logged('0', '0', '0', '0', '0', timestamp)));
        expect(timestamp >= before && timestamp <= wallClock(Date.now()), timestamp).toBe(true);
      }
    }
    const nulls = await api.json({ userName: 'demo.seller', image_count: null, timestamp: null });
    expect(nulls.status).toBe(200);
  });

  test.each([
    ['the sum of the costs when it is absent', { image_cost: '0.1', video_cost: '0.2' }, '0.1', '0.2', '0.3'],
    ['the one cost that was sent', { video_cost: '6.4' }, '0', '6.4', '6.4'],
    [
      'what was sent, never recomputed',
      { image_cost: '1', video_cost: '2', total_cost: '9.9' },
      '1',
      '2',
      '9.9',
    ],
    ['zero when zero was sent', { image_cost: '1', total_cost: '0' }, '1', '0', '0'],
    ['what was sent alone', { total_cost: '0.0001' }, '0', '0', '0.0001'],
  ])('total_cost is %s', async (_what, costs, imageCost, videoCost, total) => {
    const answer = await api.form({ userName: 'demo.seller', ...costs, timestamp: AT });
    expect(answer.text).toBe(accepted(answer, logged('0', imageCost, '0', videoCost, total)));
  });

  test.each([
    ['0.0609', '0.0609'],
    ['0.0203', '0.0203'],
    ['6.40', '6.4'],
    ['0.7', '0.7'],
    ['10.00', '10'],
    ['.5', '0.5'],
    ['5.', '5'],
    ['007.10', '7.1'],
    ['+1.5', '1.5'],
    [' 1.5 ', '1.5'],
    ['0.000001', '0.000001'],
    ['0.1234560000', '0.123456'],
    ['9007199254.740991', '9007199254.740991'],
  ])('the cost %j is printed as %s', async (sent, printed) => {
    const answer = await api.form({ userName: 'demo.seller', image_cost: sent, timestamp: AT });
    expect(answer.text).toBe(accepted(answer, logged('0', printed, '0', '0', printed)));
  });

  test.each([
    ['2026-01-05 09:30:00', AT],
    ['2026-01-05T09:30:00', AT],
    ['2026-01-05T09:30:00.123456', AT],
    ['2026-01-05T09:30:00.999999', AT],
    ['2026-01-05 09:30:00.5', AT],
    ['2026-01-05T02:30:00Z', AT],
    ['2026-01-05T02:30:00.000001Z', AT],
    ['2026-01-05T09:30:00+07:00', AT],
    ['2026-01-05T09:30:00.654321+07:00', AT],
    ['2026-01-04T21:30:00-05:00', AT],
    ['2025-12-31T17:00:00Z', '2026-01-01 00:00:00'],
    ['2024-02-29 23:59:59', '2024-02-29 23:59:59'],
    ['  2026-01-05 09:30:00 ', AT],
  ])('the timestamp %j is %s of the business zone', async (sent, printed) => {
    for (const send of [api.form, api.json, api.multipart]) {
      const answer = await send.call(api, { userName: 'demo.seller', timestamp: sent });
      expect(answer.text).toBe(accepted(answer, logged('0', '0', '0', '0', '0', printed)));
    }
  });

  test('the name is trimmed, may hold . @ and upper case, and is echoed as it is stored', async () => {
    for (const sent of ['Mixed.Case@Example.test', ' mixed.case@example.TEST\t', 'MIXED.CASE@EXAMPLE.TEST']) {
      const answer = await api.form({ userName: sent });
      const { data } = JSON.parse(answer.text);
      expect([data.userName, data.user_id]).toEqual(['Mixed.Case@Example.test', 21]);
    }
  });

  test('of names that differ in case only, the exact one is meant, else the elder', async () => {
    const idOf = async (userName: string) => JSON.parse((await api.form({ userName })).text).data.user_id;
    expect([await idOf('Twin'), await idOf('twin'), await idOf('TWIN')]).toEqual([22, 23, 22]);
  });

  test('every post is a row of its own, identical ones too', async () => {
    const userName = await newSeller();
    const fields = { userName, image_count: '1', image_cost: '0.0203', timestamp: AT };
    const answers = await Promise.all(Array.from({ length: 5 }, () => api.form(fields)));
    const ids = answers.map(recordIdOf);
    expect(new Set(ids).size).toBe(5);
    expect(await api.stats(userName)).toEqual(sums('5', '0.1015', '0', '0', '0.1015'));
    const rows = system.connection.collection('usage_records');
    await waitFor('five rows are stored', async () =>
      (await rows.countDocuments({ user_id: lastUserId })) === 5 ? true : undefined,
    );
    expect(await api.stats(userName)).toEqual(sums('5', '0.1015', '0', '0', '0.1015'));
  });

  test('sums do not drift, and have all their digits beyond what a float holds', async () => {
    const userName = await newSeller();
    await Promise.all(
      [...Array(10).fill('0.1'), ...Array(10).fill('0.2')].map((cost) =>
        api.form({ userName, image_cost: cost, video_cost: cost, timestamp: AT }),
      ),
    );
    expect(await api.stats(userName)).toEqual(sums('0', '3', '0', '3', '6'));
    const huge = { userName, image_count: '2147483647', image_cost: '9007199254.740991', timestamp: AT };
    await Promise.all(Array.from({ length: 11 }, () => api.form(huge)));
    expect(await api.stats(userName)).toEqual(
      sums('23622320117', '99079191805.150901', '0', '3', '99079191808.150901'),
    );
  });

  test('the log has one line for it: name, id, record and address', async () => {
    const answer = await api.form({ userName: 'demo.seller' });
    const line = await web.line((text) => text.includes(`"record_id":${recordIdOf(answer)},`));
    expect(JSON.parse(line)).toMatchObject({ userName: 'demo.seller', user_id: 12, ip: '127.0.0.1' });
  });
});

describe('what is refused', () => {
  const NOT_FOUND = 'User not found or not a seller';

  test.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['an empty name', { userName: '' }],
    ['a blank name', { userName: ' \t ' }],
    ['username', { username: 'demo.seller' }],
    ['UserName', { UserName: 'demo.seller' }],
    ['user_name', { user_name: 'demo.seller' }],
    ['no name before any other check', { image_count: '-1', timestamp: 'x' }],
  ])('%s: 400 userName is required', async (_what, fields) => {
    for (const send of [api.form, api.json, api.multipart]) {
      if (send === api.multipart && Object.keys(fields).length === 0) continue;
      const answer = await send.call(api, fields);
      expect([answer.status, answer.text]).toEqual([400, refusal('userName is required')]);
    }
  });

  test('no body at all: 400 userName is required', async () => {
    const answer = await api.ask('/api/tools/update', { method: 'POST' });
    expect([answer.status, answer.text]).toEqual([400, refusal('userName is required')]);
  });

  test.each(['nobody', 'not.a.seller', 'NOT.A.SELLER', 'not.active', 'neither', 'demo.seller2', 'demo'])(
    'the user %s: 404, before the other fields are looked at',
    async (userName) => {
      for (const send of [api.form, api.json, api.multipart]) {
        const answer = await send.call(api, { userName, image_count: 'many', timestamp: 'never' });
        expect([answer.status, answer.text]).toEqual([404, refusal(NOT_FOUND)]);
      }
    },
  );

  test.each([
    [
      'image_count',
      ['-1', '1.5', '3.0', 'three', '1e3', '0x10', '1,000', '2147483648', 'NaN', 'true', '1 2'],
    ],
    ['video_count', ['-1', '1.5', 'three', '99999999999']],
    [
      'image_cost',
      ['-0.01', '-0', '1,5', 'free', '1e-7', '0x1', 'NaN', 'Infinity', '$1', '0.1234567', '.', '1.2.3'],
    ],
    ['video_cost', ['-1', 'x', '9007199254.740992', '99999999999']],
    ['total_cost', ['-1', 'x', '0.00000001']],
  ])('a bad %s: 400 Invalid value, in every encoding', async (field, values) => {
    const before = await api.stats('demo.seller');
    for (const value of values) {
      for (const send of [api.form, api.json, api.multipart]) {
        const answer = await send.call(api, { userName: 'demo.seller', [field]: value });
        expect([value, answer.status, answer.text]).toEqual([
          value,
          400,
          refusal(`Invalid value for ${field}`),
        ]);
      }
    }
    expect(await api.stats('demo.seller'), 'nothing was counted').toEqual(before);
  });

  test.each([
    'yesterday',
    '2026-01-05',
    '2026-01-05 09:30',
    '2026-1-5 9:30:00',
    '2026-02-30 09:30:00',
    '2025-02-29 09:30:00',
    '2026-13-01 00:00:00',
    '2026-01-05 24:00:00',
    '2026-01-05 09:60:00',
    '2026-01-05 09:30:60',
    '05/01/2026 09:30:00',
    '1767580200',
    '2026-01-05T09:30:00+25:00',
    '2026-01-05T09:30:00 Z',
    '2026-01-05  09:30:00',
    '0000-00-00 00:00:00',
  ])('the timestamp %j: 400 Invalid timestamp', async (timestamp) => {
    for (const send of [api.form, api.json, api.multipart]) {
      const answer = await send.call(api, { userName: 'demo.seller', timestamp });
      expect([answer.status, answer.text]).toEqual([400, refusal('Invalid timestamp')]);
    }
  });
});

describe('browsers of any origin', () => {
  test('may read every answer, refusals too', async () => {
    const headers = { Origin: 'https://any.example' };
    const answers = [
      await api.form({ userName: 'demo.seller' }, headers),
      await api.form({}, headers),
      await api.form({ userName: 'nobody' }, headers),
      await api.form({ userName: 'demo.seller', image_count: 'x' }, headers),
      await api.post('x'.repeat(70_000), 'application/x-www-form-urlencoded', headers),
      await api.ask('/api/tools/stats/demo.seller', { headers }),
      await api.ask('/api/tools/stats/nobody', { headers }),
      await api.ask('/api/tools/update', { headers }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([200, 400, 404, 400, 413, 200, 404, 405]);
    for (const answer of answers) expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  test.each([
    ['/api/tools/update', 'POST'],
    ['/api/tools/stats/demo.seller@example.test', 'GET'],
  ])('may ask %s before they %s', async (path, method) => {
    const answer = await api.ask(path, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://any.example',
        'Access-Control-Request-Method': method,
        'Access-Control-Request-Headers': 'content-type',
      },
    });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-methods')).toContain(method);
    expect(answer.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('content-type');
  });
});

const formatter = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'Asia/Ho_Chi_Minh',
  dateStyle: 'short',
  timeStyle: 'medium',
});

function wallClock(instant: number): string {
  return formatter.format(instant);
}
