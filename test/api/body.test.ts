import { createServer, type Server } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerJson } from '../../src/api/answer.ts';
import { readBody } from '../../src/api/body/readBody.ts';
import { readFields } from '../../src/api/body/readFields.ts';
import { RequestTimeoutError } from '../../src/api/errors.ts';
import { listen } from '../../src/api/listen.ts';
import type { ErrorFamily, Route } from '../../src/api/route.ts';
import { rawExchange } from '../support/rawExchange.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

const LIMIT = 65_536;
const FORM = 'application/x-www-form-urlencoded';

function echo(path: string, errors: ErrorFamily): Route {
  return {
    method: 'post',
    path,
    access: 'open',
    errors,
    // Nothing is asked before the body is read.
    limit: 'none',
    async handle(request, response) {
      answerJson(response, 200, await readFields(request, LIMIT));
    },
  };
}

describe('bodies', () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer({ routes: [echo('/echo', 'problem'), echo('/usage-echo', 'usage')] });
  });
  afterAll(() => api.close());

  const post = (
    body: NonNullable<RequestInit['body']> | null,
    contentType?: string,
    more: Record<string, string> = {},
  ) =>
    fetch(`${api.url}/echo`, {
      method: 'POST',
      body,
      headers: { ...(contentType === undefined ? {} : { 'content-type': contentType }), ...more },
    });

  test('a form is flat: brackets are part of a name, repeats become a list, __proto__ is a name', async () => {
    const answer = await post('userName[$ne]=x&a=1&a=2&__proto__=p&b=%E4%BD%A0', FORM);
    expect(await answer.text()).toBe('{"userName[$ne]":"x","a":["1","2"],"__proto__":"p","b":"你"}');
  });

  test('JSON, also in pieces over several packets, and with a byte order mark', async () => {
    const body = JSON.stringify({ userName: 'é'.repeat(20_000) });
    expect(await (await post(body, 'application/json; charset="UTF-8"')).text()).toBe(body);
    expect(await (await post('\uFEFF{"a":1}', 'application/json')).json()).toEqual({ a: 1 });
  });

  test('a multipart form gives its fields and drops its files', async () => {
    const form = new FormData();
    form.append('userName', 'demo.seller');
    form.append('userName', 'other');
    form.append('photo', new Blob(['x'.repeat(10_000)]), 'photo.png');
    expect(await (await post(form)).json()).toEqual({ userName: ['demo.seller', 'other'] });
  });

  test('a part of a multipart form without a file name is a field, whatever its type says', async () => {
    const part = (name: string, header: string, value: string) =>
      `--b\r\ncontent-disposition: form-data; name="${name}"\r\n${header}\r\n${value}\r\n`;
    const plain = part('userName', '', 'é');
    const typed = part('image_count', 'content-type: application/octet-stream\r\n', '3');
    const answer = await post(`${plain}${typed}--b--`, 'multipart/form-data; boundary=b');
    expect(await answer.json()).toEqual({ userName: 'é', image_count: '3' });
    const unreadable = part('image_count', 'content-type: text/plain; charset=cp437\r\n', '3');
    const refused = await post(`${plain}${unreadable}--b--`, 'multipart/form-data; boundary=b');
    expect(await refused.json()).toMatchObject({
      status: 400,
      detail: 'The field image_count is in a character set that cannot be read; send UTF-8',
    });
  });

  test('no body and no content type is no fields', async () => {
    expect(await (await post(null)).json()).toEqual({});
  });

  test.each([
    ['deep arrays', '['.repeat(30_000), 'application/json', 400],
    ['deep objects', '{"a":'.repeat(10_000), 'application/json', 400],
    ['an array', '[1]', 'application/json', 400],
    ['null', 'null', 'application/json', 400],
    ['half a JSON text', '{"a":', 'application/json', 400],
    ['an empty JSON body', '', 'application/json', 400],
    ['another character set', '{"a":1}', 'application/json; charset=iso-8859-1', 415],
    ['an unknown type', 'x', 'text/csv', 415],
    ['multipart without a boundary', 'x', 'multipart/form-data', 400],
    ['multipart junk', 'junk', 'multipart/form-data; boundary=b', 400],
    [
      'half a multipart form',
      '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx',
      'multipart/form-data; boundary=b',
      400,
    ],
  ])('%s is refused', async (_what, body, contentType, status) => {
    const answer = await post(body, contentType);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    await answer.body?.cancel();
  });

  test('brackets inside of strings are not nesting', async () => {
    const body = { a: `${'['.repeat(500)}"\\${'{'.repeat(500)}` };
    expect(await (await post(JSON.stringify(body), 'application/json')).json()).toEqual(body);
  });

  test('bytes that are not UTF-8 are refused in JSON and in forms', async () => {
    const bytes = Buffer.from([0x22, 0xff, 0xfe, 0x22]);
    expect((await post(bytes, 'application/json')).status).toBe(400);
    expect((await post(bytes, FORM)).status).toBe(400);
  });

  test('a compressed body is refused', async () => {
    const answer = await post(gzipSync('{}'), 'application/json', { 'content-encoding': 'gzip' });
    expect(answer.status).toBe(415);
  });

  test('too many multipart fields are refused', async () => {
    const form = new FormData();
    for (let field = 0; field < 150; field++) form.append(`f${field}`, '1');
    expect((await post(form)).status).toBe(400);
  });

  test('an announced body over the limit is refused before it is sent', async () => {
    const head = `POST /usage-echo HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 2000000\r\n\r\n`;
    const answer = await rawExchange(api.url, [head], /"\}/);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('{"status":"error","message":"The body is larger than 65536 bytes"}');
  });

  test('a client that sends 2 MB all the same still sees the answer', async () => {
    const answer = await post('x'.repeat(2_000_000), FORM);
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ status: 413, title: 'Payload Too Large' });
  });

  test('a chunked body is refused as soon as it is over the limit', async () => {
    const head = `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const answer = await rawExchange(api.url, [head, chunk, chunk], /request_id/);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/connection: close/i);
  });

  test('a body longer than announced does not leak into the next request', async () => {
    const head = `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 3\r\n\r\n`;
    const answer = await rawExchange(api.url, [`${head}a=1&b=2 junk\r\n\r\n`], /400 Bad Request/);
    const [first, second] = answer.split('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    expect(first).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n\{"a":"1"\}$/s);
    expect(second).toBe('');
    expect((await post('a=1', FORM)).status).toBe(200);
  });
});

describe('readBody', () => {
  let server: Server;
  let failed: Promise<unknown>;
  let url: string;
  beforeAll(async () => {
    server = createServer();
    failed = new Promise((resolve) => {
      server.once('request', (request, response) => {
        readBody(request, LIMIT, 50).catch((error) => {
          resolve({ error, listeners: request.listenerCount('data') });
          response.writeHead(408).end();
        });
      });
    });
    url = await listen(server, '127.0.0.1', 0);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('gives up a client that stops half way, and listens no longer', async () => {
    const half = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf';
    await rawExchange(url, [half], /\r\n\r\n/);
    expect(await failed).toEqual({ error: expect.any(RequestTimeoutError), listeners: 0 });
  });
});
