import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rawExchange } from '../support/rawExchange.ts';
import { served } from '../support/served.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { exactJson, recordIdOf, refusal, sums, UsageApi } from '../support/usageApi.ts';
import { inParallel } from '../support/usageLoad.ts';

/** The habits of the clients that are in the field, imitated to the byte where bytes matter. */
const CLIENT_TIMEOUT_MILLISECONDS = 10_000;

let system: TestSystem;
let api: UsageApi;
let lastUserId = 1_000;

beforeAll(async () => {
  system = await createTestSystem('clients');
  const [web] = await Promise.all([system.startWeb(), system.startWorker()]);
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(() => system.remove());

async function newSeller(label = 'seller'): Promise<string> {
  const user_name = uniqueName(label);
  await system.addUsers([{ user_id: ++lastUserId, user_name }]);
  return user_name;
}

/** As the client's HTTP library writes it. */
function postBytes(fields: Readonly<Record<string, string>>, connection = 'keep-alive'): string {
  const body = new URLSearchParams(fields).toString();
  return (
    `POST /api/tools/update HTTP/1.1\r\nHost: ${new URL(api.url).host}\r\nUser-Agent: python-requests/2.31.0\r\n` +
    `Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: ${connection}\r\n` +
    `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

function getBytes(path: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: ${new URL(api.url).host}\r\nUser-Agent: python-requests/2.31.0\r\n` +
    'Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n'
  );
}

/** What both clients look at, in this order. */
function clientVerdict(received: string): unknown {
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1]);
  const body = received.slice(received.indexOf('\r\n\r\n') + 4);
  if (status !== 200) return { failed: JSON.parse(body).message ?? body.slice(0, 200) };
  const json = JSON.parse(body);
  return json.status === 'success' ? { record_id: json.data.record_id } : { failed: json.message };
}

/** Sends the bytes and hangs up as soon as they have left. */
function abandon(bytes: string): Promise<void> {
  const { hostname, port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.write(bytes, () => socket.destroySoon());
  });
}

describe('the first client', () => {
  test('takes exactly 200 with status success, and prints the record id', async () => {
    const userName = await newSeller();
    const received = await rawExchange(api.url, [
      postBytes({ userName, image_count: '1', image_cost: '0.0609' }),
    ]);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(received).toMatch(/\r\nContent-Length: \d+\r\n/i);
    expect(received).not.toMatch(/\r\n(Content|Transfer)-Encoding:/i);
    expect(clientVerdict(received)).toEqual({ record_id: expect.any(Number) });
  });

  test('prints the message of anything else', async () => {
    const received = await rawExchange(api.url, [postBytes({ userName: uniqueName('nobody') })]);
    expect(clientVerdict(received)).toEqual({ failed: 'User not found or not a seller' });
  });

  test('posts its local totals at login beside single uses, and both are added', async () => {
    const userName = await newSeller();
    const timestamp = '2026-01-05 09:30:00';
    await rawExchange(api.url, [postBytes({ userName, image_count: '2', image_cost: '0.1218', timestamp })]);
    await rawExchange(api.url, [
      postBytes({
        userName,
        image_count: '20',
        image_cost: '1.2180',
        video_count: '4',
        video_cost: '25.60',
        total_cost: '26.8180',
        timestamp,
      }),
    ]);
    expect(await api.stats(userName)).toEqual(sums('22', '1.3398', '4', '25.6', '26.9398'));
  });

  test('closes its connection in the middle of a body, and nothing is counted', async () => {
    const userName = await newSeller();
    const bytes = postBytes({ userName, image_count: '5' });
    await abandon(bytes.slice(0, -3));
    expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
  });
});

describe('the second client', () => {
  test('reads its totals at start, raw @ and no query, and finds the five numbers', async () => {
    const user_name = `${uniqueName('owner')}@example.test`;
    await system.addUsers([{ user_id: ++lastUserId, user_name }]);
    await api.report({
      userName: user_name,
      image_count: 150,
      image_cost: '3.0450',
      video_count: 25,
      video_cost: '160.00',
    });
    const received = await rawExchange(api.url, [getBytes(`/api/tools/stats/${user_name}`)]);
    const text = received.slice(received.indexOf('\r\n\r\n') + 4);
    expect(JSON.parse(text).data.stats).toEqual({
      total_image_count: 150,
      total_image_cost: 3.045,
      total_video_count: 25,
      total_video_cost: 160,
      total_cost: 163.045,
    });
    expect(exactJson(text).data.stats).toEqual(sums('150', '3.045', '25', '160', '163.045'));
    expect(JSON.parse(text).data.last_updated).toMatch(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/);
  });

  test('sends many posts over one connection, each answered in turn', async () => {
    const userName = await newSeller();
    const posts = Array.from({ length: 5 }, () => postBytes({ userName, image_count: '1' }));
    const received = await rawExchange(api.url, posts, /(?:HTTP\/1\.1 200 OK[\s\S]*?\}\}\}){5}/);
    const ids = [...received.matchAll(/"record_id":(\d+)/g)].map((match) => Number(match[1]));
    expect(new Set(ids).size).toBe(5);
    expect(await api.stats(userName)).toEqual(sums('5', '0', '0', '0', '0'));
  });

  test('sends a record twice within a second, in two timestamp formats, and both count', async () => {
    const userName = await newSeller();
    const record = { userName, video_count: '1', video_cost: '0.70', total_cost: '0.7000' };
    const received = await Promise.all([
      rawExchange(api.url, [postBytes({ ...record, timestamp: '2026-01-05 09:30:00' })]),
      rawExchange(api.url, [postBytes({ ...record, timestamp: '2026-01-05T09:30:00.123456' })]),
    ]);
    const logged = received.map(
      (text) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).data.logged_data,
    );
    expect(logged[0]).toEqual(logged[1]);
    expect(logged[0].timestamp).toBe('2026-01-05 09:30:00');
    expect(await api.stats(userName, '?date_from=2026-01-05&date_to=2026-01-05')).toEqual(
      sums('0', '0', '2', '1.4', '1.4'),
    );
  });

  test('repeats permanent errors fifty times an item: each the same answer in time, and the others are served', async () => {
    const userName = await newSeller();
    const nobody = uniqueName('nobody');
    const storm = [
      {
        fields: { userName: nobody, image_count: '1' },
        refused: [404, refusal('User not found or not a seller')],
      },
      { fields: { userName, image_cost: 'x' }, refused: [400, refusal('Invalid value for image_cost')] },
      { fields: { userName: '' }, refused: [400, refusal('userName is required')] },
    ].flatMap((item) => Array.from({ length: 150 }, () => item));
    let counted = 0;
    await inParallel(storm, 32, async ({ fields, refused }) => {
      const answer = await served(() => api.form({ ...fields }));
      expect([answer.status, answer.text]).toEqual(refused);
      if (counted < 100) {
        counted++;
        const fields = { userName, image_count: '1', event_id: `${userName}-${counted}` };
        const begin = performance.now();
        const taken = await served(() => api.form(fields));
        expect(performance.now() - begin).toBeLessThan(CLIENT_TIMEOUT_MILLISECONDS);
        expect(taken.status).toBe(200);
      }
    });
    expect(await api.stats(userName)).toEqual(sums('100', '0', '0', '0', '0'));
  });

  test('is served at the next try once its name was added', async () => {
    const user_name = uniqueName('late');
    expect((await api.form({ userName: user_name })).status).toBe(404);
    await system.addUsers([{ user_id: ++lastUserId, user_name }]);
    const answer = await api.form({ userName: user_name });
    expect(answer.status).toBe(200);
    expect(recordIdOf(answer)).toBeGreaterThan(0);
  });

  test('posts its whole offline queue at once, floats as they come out of its file', async () => {
    const userName = await newSeller();
    const queue = Array.from({ length: 200 }, (_, index) => ({
      userName,
      image_count: '1',
      image_cost: (index % 2 === 0 ? 0.0203 : 0.0406).toFixed(4),
      timestamp: `2026-01-${String((index % 28) + 1).padStart(2, '0')}T10:00:00.${String(index).padStart(6, '0')}`,
    }));
    await inParallel(queue, 16, async (fields) => {
      expect((await api.form(fields)).status).toBe(200);
    });
    expect(await api.stats(userName, '?date_from=2026-01-01&date_to=2026-01-31')).toEqual(
      sums('200', '6.09', '0', '0', '6.09'),
    );
  });
});
