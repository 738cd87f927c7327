import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerJson } from '../../src/api/answer.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

const PAGE = 'https://app.example.test';
let api: ApiServer;

beforeAll(async () => {
  api = await startApiServer({
    environment: { CORS_ORIGINS: `${PAGE}, https://other.example.test` },
    routes: [
      {
        method: 'get',
        path: '/credits',
        access: 'credits:read',
        errors: 'credits',
        cors: 'configured',
        handle: (_request, response) => answerJson(response, 200, { success: true }),
      },
    ],
  });
});
afterAll(() => api.close());

const ask = (origin: string, method: string, key = '', path = '/credits') =>
  fetch(`${api.url}${path}`, { method, headers: { origin, 'x-api-key': key } });

test('pages of the configured origins may ask and read, refusals too', async () => {
  const preflight = await ask(PAGE, 'OPTIONS');
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, PAGE]);
  expect(preflight.headers.get('access-control-allow-methods')).toBe('GET');
  expect(preflight.headers.get('access-control-allow-headers')).toContain('X-API-Key');
  expect(preflight.headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
  for (const [key, status] of [
    [api.adminKey, 200],
    ['wrong', 401],
  ] as const) {
    const answer = await ask(PAGE, 'GET', key);
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, PAGE]);
    expect(answer.headers.get('access-control-expose-headers')).toContain('RateLimit');
    expect(answer.headers.get('vary')).toBe('Origin');
  }
});

test.each(['https://evil.example.test', `${PAGE}.evil.test`, 'null', 'http://app.example.test'])(
  'a page of %s may not',
  async (origin) => {
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await ask(origin, method, api.adminKey);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
  },
);

test.each([
  ['GET', '/api/unified/nothing', 404],
  ['GET', '/api/unified/%ff', 404],
  ['GET', '/credits/%ff', 404],
  ['POST', '/credits', 405],
] as const)(
  'pages of the configured origins may read that %s %s is refused',
  async (method, path, status) => {
    const answer = await ask(PAGE, method, api.adminKey, path);
    const isApi = path.startsWith('/api/') || status === 405;
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([
      status,
      isApi ? PAGE : null,
    ]);
    const foreign = await ask('https://evil.example.test', method, api.adminKey, path);
    expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([status, null]);
  },
);

test('they may ask for what is not there, too: the key makes a preflight of it', async () => {
  const preflight = (origin: string, path: string) =>
    fetch(`${api.url}${path}`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-api-key',
      },
    });
  const answer = await preflight(PAGE, '/api/unified/nothing');
  expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([204, PAGE]);
  expect(answer.headers.get('access-control-allow-headers')).toContain('X-API-Key');
  expect(answer.headers.get('access-control-allow-methods')).toBe('GET,POST,OPTIONS');
  for (const [origin, path] of [
    [PAGE, '/nothing'],
    ['https://evil.example.test', '/api/unified/nothing'],
  ] as const) {
    const refused = await preflight(origin, path);
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([404, null]);
  }
});
