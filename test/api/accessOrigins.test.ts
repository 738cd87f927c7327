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

const ask = (origin: string, method: string, key = '') =>
  fetch(`${api.url}/credits`, { method, headers: { origin, 'x-api-key': key } });

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
