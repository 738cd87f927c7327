import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { rawExchange } from '../support/rawExchange.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { type Answer, refusal, sums, UsageApi } from '../support/usageApi.ts';
import { inParallel } from '../support/usageLoad.ts';

/** Bad input on the open endpoints: always a clear 4xx in the contract's shape, and the server goes on. */
const FORM = 'application/x-www-form-urlencoded';
const MOST_GROWTH_MEGABYTES = 200;
const SELLER = { user_id: 1, user_name: 'demo.seller' };

let system: TestSystem;
let api: UsageApi;
let pid = 0;
let memoryBefore = 0;
let slowBodies: Promise<string[]>;

beforeAll(async () => {
  system = await createTestSystem('hostile');
  await system.addUsers([
    SELLER,
    { user_id: 2, user_name: '[object Object]' },
    { user_id: 3, user_name: 'null' },
  ]);
  const web = await system.startWeb();
  api = new UsageApi(web.url, system.adminKey);
  pid = web.pid;
  await expectServing();
  memoryBefore = residentMegabytes();
  // It takes ten seconds until they are given up; they are looked at in the end.
  slowBodies = Promise.all([
    rawExchange(api.url, [`${head({ 'Content-Type': FORM, 'Content-Length': '100' })}userName=demo`]),
    rawExchange(api.url, [
      `${head({ 'Content-Type': FORM, 'Transfer-Encoding': 'chunked' })}fffffffffffff\r\nx`,
    ]),
  ]);
});

let counted = 0;

afterEach(() => expectServing());

afterAll(() => system.remove());

/** The server lives, takes reports, and has counted nothing but these. */
async function expectServing(): Promise<void> {
  const answer = await api.form({ userName: SELLER.user_name, image_count: '1' });
  expect(answer.status).toBe(200);
  counted++;
  expect(await api.stats(SELLER.user_name)).toEqual(sums(String(counted), '0', '0', '0', '0'));
}

function residentMegabytes(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

function head(
  headers: Readonly<Record<string, string>>,
  requestLine = 'POST /api/tools/update HTTP/1.1',
): string {
  const lines = Object.entries({ Host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${requestLine}\r\n${lines.join('')}\r\n`;
}

/** The contract's shape, whatever the words are. */
function expectRefused(answer: Answer, status: number, message: string | RegExp = /./): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(JSON.parse(answer.text)).toEqual({
    status: 'error',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
}

describe('a user name that is no text', () => {
  const INVALID = 'Invalid value for userName';
  const REQUIRED = 'userName is required';

  test.each([
    ['userName[$ne]=', REQUIRED],
    ['userName[$ne]=null', REQUIRED],
    ['userName[$gt]=&userName[$regex]=.*', REQUIRED],
    ['userName[]=demo.seller', REQUIRED],
    ['userName[0]=demo.seller', REQUIRED],
    ['userName.$ne=x', REQUIRED],
    ['__proto__[userName]=demo.seller', REQUIRED],
    ['constructor[prototype][userName]=demo.seller', REQUIRED],
    ['userName=demo.seller&userName=demo.seller', INVALID],
    ['userName=&userName=demo.seller', INVALID],
  ])('in a form: %s', async (body, message) => {
    expectRefused(await api.post(body, FORM), 400, message);
    const form = new FormData();
    for (const pair of body.split('&'))
      form.append(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    expectRefused(await api.post(form), 400, message);
  });

  test.each([
    ['{"userName":{"$ne":null}}', INVALID],
    ['{"userName":{"$gt":""}}', INVALID],
    ['{"userName":["demo.seller"]}', INVALID],
    ['{"userName":[]}', INVALID],
    ['{"userName":{}}', INVALID],
    ['{"userName":true}', INVALID],
    ['{"userName":false}', INVALID],
    ['{"userName":{"toString":"demo.seller"}}', INVALID],
    ['{"userName":null}', REQUIRED],
    ['{"__proto__":{"userName":"demo.seller"}}', REQUIRED],
    ['{"constructor":{"prototype":{"userName":"demo.seller"}}}', REQUIRED],
    ['{"userName[$ne]":""}', REQUIRED],
  ])('in JSON: %s', async (body, message) => {
    expectRefused(await api.post(body, 'application/json'), 400, message);
  });

  test.each([
    '{"$ne":null}',
    '[object Object]x',
    'demo.seller\u0000',
    '\u0000',
    "' || '1'=='1",
    '.*',
    '$where',
    'x'.repeat(10_000),
    '\ud800',
  ])('or one that nobody has: %j', async (userName) => {
    expectRefused(await api.json({ userName }), 404, 'User not found or not a seller');
  });

  test('in the path and the query of the totals', async () => {
    for (const path of ['%7B%22$ne%22:null%7D', 'a%00', '.*', '__proto__', 'x'.repeat(5_000)]) {
      expectRefused(await api.ask(`/api/tools/stats/${path}`), 404, 'User not found or not a seller');
    }
    expectRefused(await api.ask('/api/tools/stats/%ZZ'), 400);
    expectRefused(await api.ask('/api/tools/stats/%E9'), 400);
    const seller = '/api/tools/stats/demo.seller';
    expectRefused(await api.ask(`${seller}?period=today&period=never`), 400, 'Invalid period');
    for (const query of [
      'period[$ne]=x',
      '__proto__[period]=x',
      'date_from[$gt]=&date_to[]=1',
      '&&&==',
      '%ZZ',
    ]) {
      expect((await api.ask(`${seller}?${query}`)).status, query).toBe(200);
    }
  });
});

test.each(['image_count', 'image_cost', 'video_count', 'video_cost', 'total_cost'])(
  'numbers that are none: %s',
  async (field) => {
    const texts = [
      'NaN',
      'Infinity',
      '-Infinity',
      '1e400',
      '1e-7',
      '-1',
      '0x1F',
      '0b1',
      '1_000',
      '١',
      '1\u0000',
      '9'.repeat(400),
      `0.${'0'.repeat(50)}1`,
    ];
    for (const text of texts) {
      for (const send of [api.form, api.json, api.multipart]) {
        expectRefused(
          await send.call(api, { userName: 'demo.seller', [field]: text }),
          400,
          `Invalid value for ${field}`,
        );
      }
    }
    for (const literal of [
      '1e400',
      '-1e400',
      '-1',
      '1e-7',
      '1e21',
      '[1]',
      '{"$inc":1}',
      '{}',
      'true',
      '[]',
    ]) {
      const body = `{"userName":"demo.seller","${field}":${literal}}`;
      expectRefused(await api.post(body, 'application/json'), 400, `Invalid value for ${field}`);
    }
    for (const literal of ['NaN', 'Infinity', '0x1', '01', '+1', '.5']) {
      const body = `{"userName":"demo.seller","${field}":${literal}}`;
      expectRefused(await api.post(body, 'application/json'), 400, 'The body is not valid JSON');
    }
    expectRefused(
      await api.post(`userName=demo.seller&${field}=1&${field}=2`, FORM),
      400,
      `Invalid value for ${field}`,
    );
    expectRefused(
      await api.post(`{"userName":"demo.seller","timestamp":["2026-01-05 09:30:00"]}`, 'application/json'),
      400,
      'Invalid timestamp',
    );
  },
);

test('minus zero in JSON is zero', async () => {
  const answer = await api.post('{"userName":"null","image_cost":-0,"image_count":-0}', 'application/json');
  expect(answer.text).toContain('"image_count":0,"image_cost":0,');
});

describe('bodies', () => {
  const json = 'application/json';
  const fields = '{"userName":"demo.seller","image_count":1}';

  test.each<[string, string | Buffer, string, number]>([
    ['2 MB of a form', `userName=demo.seller&x=${'x'.repeat(2_000_000)}`, FORM, 413],
    ['2 MB of JSON', JSON.stringify({ userName: 'demo.seller', x: 'x'.repeat(2_000_000) }), json, 413],
    ['2 MB of a multipart form', 'x'.repeat(2_000_000), 'multipart/form-data; boundary=b', 413],
    ['deep lists', `{"userName":${'['.repeat(30_000)}`, json, 400],
    ['deep objects', `${'{"userName":'.repeat(5_000)}1${'}'.repeat(5_000)}`, json, 400],
    ['latin1 in a form', Buffer.from('userName=caf\xe9', 'latin1'), FORM, 400],
    ['latin1 in JSON', Buffer.from('{"userName":"caf\xe9"}', 'latin1'), json, 400],
    ['UTF-16', Buffer.from(fields, 'utf16le'), json, 400],
    ['UTF-16 with its mark', Buffer.from(`\uFEFF${fields}`, 'utf16le'), json, 400],
    ['UTF-16 that says so', Buffer.from(fields, 'utf16le'), 'application/json; charset=utf-16', 415],
    ['latin1 that says so', 'userName=demo.seller', `${FORM}; charset=iso-8859-1`, 415],
    ['gzip that does not say so', gzipSync(fields), json, 400],
    ['a list', `[${fields}]`, json, 400],
    ['a text', '"demo.seller"', json, 400],
    ['null', 'null', json, 400],
    ['two texts', `${fields}${fields}`, json, 400],
    ['a form that says it is JSON', 'userName=demo.seller', json, 400],
    ['JSON that says it is a form', fields, FORM, 400],
    ['plain text', 'userName=demo.seller', 'text/plain', 415],
    ['XML', '<userName>demo.seller</userName>', 'application/xml', 415],
    ['an odd type', 'x', ';;;', 415],
    ['multipart without a boundary', 'x', 'multipart/form-data', 400],
    [
      'half a multipart form',
      '--b\r\nContent-Disposition: form-data; name="userName"\r\n\r\ndemo',
      'multipart/form-data; boundary=b',
      400,
    ],
    ['2,000 multipart fields', multipart(2_000), 'multipart/form-data; boundary=b', 400],
  ])('%s', async (_what, body, type, status) => {
    expectRefused(await api.post(body, type), status);
  });

  test.each(['gzip', 'deflate', 'br', 'x-unknown', 'gzip, gzip'])('compressed by %s', async (encoding) => {
    expectRefused(await api.post(gzipSync(fields), json, { 'Content-Encoding': encoding }), 415);
  });

  test('ten thousand fields are only as many as fit, and none of them means anything', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `f${index % 10}=`).join('&');
    expectRefused(await api.post(many, FORM), 400, 'userName is required');
    expectRefused(await api.post(`${many}&userName=nobody`, FORM), 404);
  });
});

describe('on the wire', () => {
  const form = { 'Content-Type': FORM };

  test.each<[string, string, RegExp]>([
    [
      'a length of terabytes',
      head({ ...form, 'Content-Length': '9999999999999' }),
      /^HTTP\/1\.1 413 .*"status":"error"/s,
    ],
    [
      'a length beyond all numbers',
      head({ ...form, 'Content-Length': '9'.repeat(40) }),
      /^HTTP\/1\.1 4\d\d /,
    ],
    ['a negative length', head({ ...form, 'Content-Length': '-1' }), /^HTTP\/1\.1 400 /],
    ['a length in words', head({ ...form, 'Content-Length': 'ten' }), /^HTTP\/1\.1 400 /],
    [
      'length and chunks',
      head({ ...form, 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }),
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a chunk size that is none',
      `${head({ ...form, 'Transfer-Encoding': 'chunked' })}zz\r\nx\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a header of megabytes', head({ ...form, 'X-Long': 'x'.repeat(1_000_000) }), /^HTTP\/1\.1 431 /],
    ['a method of its own', head({}, 'FROB /api/tools/update HTTP/1.1'), /^HTTP\/1\.1 400 /],
    ['another method', head({}, 'PUT /api/tools/update HTTP/1.1'), /^HTTP\/1\.1 405 .*"status":"error"/s],
  ])('%s', async (_what, bytes, expected) => {
    expect(await rawExchange(api.url, [bytes])).toMatch(expected);
  });

  test('garbage behind a good request ends the connection', async () => {
    const body = 'userName=null';
    const good = `${head({ ...form, 'Content-Length': String(body.length) })}${body}`;
    expect(await rawExchange(api.url, [`${good}GARBAGE\r\n\r\n${good}`], /never/)).toMatch(
      /HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/,
    );
  });
});

test('a storm of large and broken bodies leaves no memory behind', async () => {
  const huge = 'x'.repeat(2_000_000);
  await inParallel(Array.from({ length: 200 }), 16, async () => {
    expectRefused(await api.post(huge, FORM), 413);
  });
  expect(residentMegabytes() - memoryBefore).toBeLessThan(MOST_GROWTH_MEGABYTES);
});

test('a body that stops coming is given up after ten seconds, also a chunk of terabytes', async () => {
  for (const received of await slowBodies) {
    expect(received).toMatch(/^HTTP\/1\.1 408 /);
    expect(received).toContain(refusal('No byte of the body came for 10000 ms'));
  }
});

function multipart(count: number): string {
  const part = (index: number) => `--b\r\nContent-Disposition: form-data; name="${index}"\r\n\r\n\r\n`;
  return `${Array.from({ length: count }, (_, index) => part(index)).join('')}--b--\r\n`.slice(0, 60_000);
}
