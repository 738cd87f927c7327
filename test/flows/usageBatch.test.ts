import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { sums, UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** `POST /api/tools/update/batch`: many events at once, each answered for itself. */
const JSON_TYPE = 'application/json';
const NDJSON = 'application/x-ndjson';

let system: TestSystem;
let api: UsageApi;
let lastUserId = 0;

beforeAll(async () => {
  system = await createTestSystem('batch');
  const [web] = await Promise.all([system.startWeb(), system.startWorker()]);
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(() => system.remove());

async function newSeller(): Promise<{ userName: string; user_id: number }> {
  const userName = uniqueName('seller');
  await system.addUsers([{ user_id: ++lastUserId, user_name: userName }]);
  return { userName, user_id: lastUserId };
}

describe('events', () => {
  test('of many users, good and bad, are answered one by one and in order', async () => {
    const [one, two] = [await newSeller(), await newSeller()];
    const events = [
      { userName: one.userName, image_count: 1, image_cost: '0.0609', timestamp: '2026-01-05 09:30:00' },
      { userName: one.userName, image_count: -1 },
      { image_count: 1 },
      { userName: 'nobody', image_count: 'x' },
      'no object',
      null,
      ['userName', one.userName],
      { userName: two.userName.toUpperCase(), video_cost: 6.4 },
      { userName: { $ne: null } },
      { userName: two.userName, timestamp: 'yesterday' },
      { userName: two.userName, event_id: '\u0000' },
    ];
    const refused = (reason: string) => ({ status: 'refused', reason });
    const expected = [
      { status: 'accepted', record_id: expect.any(Number) },
      refused('Invalid value for image_count'),
      refused('userName is required'),
      refused('User not found or not a seller'),
      refused('The event has to be a JSON object'),
      refused('The event has to be a JSON object'),
      refused('The event has to be a JSON object'),
      { status: 'accepted', record_id: expect.any(Number) },
      refused('Invalid value for userName'),
      refused('Invalid timestamp'),
      refused('Invalid value for event_id'),
    ];
    const asArray = await api.batch(JSON.stringify(events));
    const asLines = await api.batch(events.map((event) => JSON.stringify(event)).join('\r\n'), NDJSON);
    for (const answer of [asArray, asLines]) {
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toEqual({ accepted: 2, duplicates: 0, refused: 9, results: expected });
    }
    expect(await api.stats(one.userName)).toEqual(sums('2', '0.1218', '0', '0', '0.1218'));
    expect(await api.stats(two.userName)).toEqual(sums('0', '0', '0', '12.8', '12.8'));
  });

  test('of NDJSON: blank lines do not count, a broken line spoils only itself', async () => {
    const { userName } = await newSeller();
    const line = JSON.stringify({ userName, image_count: 1 });
    const body = `\n${line}\n\n{"userName":\n${line}}\n  \n${'['.repeat(100)}\nNaN\n${line}\n`;
    const answer = await api.batch(body, NDJSON);
    expect(JSON.parse(answer.text)).toMatchObject({
      accepted: 2,
      refused: 4,
      results: [
        { status: 'accepted' },
        { status: 'refused', reason: 'The body is not valid JSON' },
        { status: 'refused', reason: 'The body is not valid JSON' },
        { status: 'refused', reason: 'The JSON is nested deeper than 32 levels' },
        { status: 'refused', reason: 'The body is not valid JSON' },
        { status: 'accepted' },
      ],
    });
    expect(await api.stats(userName)).toEqual(sums('2', '0', '0', '0', '0'));
  });

  test('ten thousand with a bad one among them: exact totals, queued and stored', async () => {
    const [one, two] = [await newSeller(), await newSeller()];
    const events = Array.from({ length: 10_000 }, (_, index) => ({
      userName: index % 4 === 0 ? one.userName : two.userName,
      image_count: 1,
      image_cost: '0.0001',
      video_cost: index === 5_000 ? 'x' : '0.1',
      timestamp: `2026-0${(index % 9) + 1}-05 09:30:00`,
    }));
    const answer = await api.batch(JSON.stringify(events));
    const { results, ...counts } = JSON.parse(answer.text);
    expect(counts).toEqual({ accepted: 9_999, duplicates: 0, refused: 1 });
    expect(results[5_000]).toEqual({ status: 'refused', reason: 'Invalid value for video_cost' });
    const ids = results.flatMap((result: { record_id?: number }) => result.record_id ?? []);
    expect(new Set(ids).size).toBe(9_999);
    const expectTotals = async () => {
      expect(await api.stats(one.userName)).toEqual(sums('2499', '0.2499', '0', '249.9', '250.1499'));
      expect(await api.stats(two.userName)).toEqual(sums('7500', '0.75', '0', '750', '750.75'));
    };
    await expectTotals();
    const rows = system.connection.collection('usage_records');
    await waitFor('all are stored', async () =>
      (await rows.countDocuments({ user_id: { $in: [one.user_id, two.user_id] } })) === 9_999
        ? true
        : undefined,
    );
    await expectTotals();
  });

  test('none at all is an answer too', async () => {
    for (const [body, type] of [
      ['[]', JSON_TYPE],
      ['', NDJSON],
      ['\n\n', NDJSON],
    ] as const) {
      const answer = await api.batch(body, type);
      expect([answer.status, answer.text]).toEqual([
        200,
        '{"accepted":0,"duplicates":0,"refused":0,"results":[]}',
      ]);
    }
  });
});

describe('what is refused as a whole', () => {
  test('without the right credential: 401, and nothing is taken', async () => {
    const { userName } = await newSeller();
    const body = JSON.stringify([{ userName, image_count: 1 }]);
    for (const headers of [
      {},
      { Authorization: 'Bearer wrong' },
      { Authorization: `Basic ${Buffer.from(`x:${system.adminKey}`).toString('base64')}` },
      { 'X-API-Key': '' },
    ]) {
      const answer = await api.ask('/api/tools/update/batch', {
        method: 'POST',
        body,
        headers: { 'Content-Type': JSON_TYPE, ...headers },
      });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    const withKey = await api.ask('/api/tools/update/batch', {
      method: 'POST',
      body,
      headers: { 'Content-Type': JSON_TYPE, 'X-API-Key': system.adminKey },
    });
    expect(withKey.status).toBe(200);
    expect(await api.stats(userName)).toEqual(sums('1', '0', '0', '0', '0'));
  });

  test.each<[string, string | Buffer, string, number]>([
    ['more than ten thousand', JSON.stringify(Array(10_001).fill({ userName: 'x' })), JSON_TYPE, 400],
    ['more than ten thousand lines', '{}\n'.repeat(10_001), NDJSON, 400],
    ['an object', '{"userName":"x"}', JSON_TYPE, 400],
    ['a text', '"x"', JSON_TYPE, 400],
    ['nothing', '', JSON_TYPE, 400],
    ['half a list', '[{"userName":"x"},', JSON_TYPE, 400],
    ['other bytes than UTF-8', Buffer.from('[{"userName":"caf\xe9"}]', 'latin1'), JSON_TYPE, 400],
    ['lines in other bytes than UTF-8', Buffer.from('{"userName":"caf\xe9"}', 'latin1'), NDJSON, 400],
    ['a form', 'userName=x', 'application/x-www-form-urlencoded', 415],
    ['17 MB', `[${' '.repeat(17 * 1_024 * 1_024)}]`, JSON_TYPE, 413],
    ['17 MB of line breaks', '\n'.repeat(17 * 1_024 * 1_024), NDJSON, 413],
  ])('%s', async (_what, body, type, status) => {
    const answer = await api.batch(body, type);
    expect(answer.status, answer.text).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(JSON.parse(answer.text)).toMatchObject({ status, instance: '/api/tools/update/batch' });
  });

  test('just within 16 MB is taken', async () => {
    const { userName } = await newSeller();
    const event = JSON.stringify({ userName, image_count: 1 });
    const answer = await api.batch(`[${event}${' '.repeat(16 * 1_024 * 1_024 - event.length - 2)}]`);
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: 1 });
  });

  test('a key that is too long for its positions', async () => {
    const answer = await api.batch('[]', JSON_TYPE, { 'Idempotency-Key': 'x'.repeat(200) });
    expect(answer.status).toBe(400);
  });
});
