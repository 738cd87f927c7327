import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerJson } from '../../src/api/answer.ts';
import type { Route } from '../../src/api/route.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

const SECRET = 'mongodb://root:hunter2@db/srv';

function failing(path: string, errors: Route['errors'], error: () => Error): Route {
  return {
    method: 'get',
    path,
    access: 'open',
    errors,
    cors: 'any',
    async handle() {
      throw error();
    },
  };
}

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer({
    routes: [
      failing('/broken', 'problem', () => new TypeError(SECRET)),
      failing('/usage-broken', 'usage', () => new TypeError(SECRET)),
      failing('/away', 'problem', () => new ServiceUnavailableError('Redis is not available', 7)),
      failing('/usage-away', 'usage', () => new ServiceUnavailableError('Redis is not available', 7)),
      {
        method: 'get',
        path: '/stats/:userName',
        access: 'open',
        errors: 'usage',
        cors: 'any',
        handle: (request, response) => answerJson(response, 200, request.params),
      },
    ],
  });
});
afterAll(() => api.close());

test('an unforeseen error shows no details, in either family', async () => {
  const problem = await fetch(`${api.url}/broken`, { headers: { 'x-request-id': 'chosen-id-1' } });
  expect(problem.status).toBe(500);
  expect(await problem.json()).toEqual({
    type: 'about:blank',
    title: 'Internal Server Error',
    status: 500,
    detail: 'Internal server error: the log has the details under request id chosen-id-1',
    instance: '/broken',
    request_id: 'chosen-id-1',
  });
  const usage = await fetch(`${api.url}/usage-broken`, { headers: { 'x-request-id': 'chosen-id-2' } });
  expect(usage.status).toBe(500);
  expect(await usage.json()).toEqual({
    status: 'error',
    message: 'Internal server error: the log has the details under request id chosen-id-2',
  });
});

test('an outage is 503 with Retry-After, in either family', async () => {
  const problem = await fetch(`${api.url}/away`);
  expect([problem.status, problem.headers.get('retry-after')]).toEqual([503, '7']);
  expect(await problem.json()).toMatchObject({ detail: 'Redis is not available' });
  const usage = await fetch(`${api.url}/usage-away`);
  expect([usage.status, usage.headers.get('retry-after')]).toEqual([503, '7']);
  expect(await usage.json()).toEqual({ status: 'error', message: 'Redis is not available' });
});

test('an unknown path is 404, a known one with another method 405 with Allow', async () => {
  const unknown = await fetch(`${api.url}/nowhere?secret=1`);
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ instance: '/nowhere' });
  const method = await fetch(`${api.url}/stats/x`, { method: 'DELETE' });
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  expect(await method.json()).toMatchObject({ status: 'error' });
});

test('a path may hold a raw @, and one that cannot be decoded is 400 like its neighbours', async () => {
  const raw = await fetch(`${api.url}/stats/demo.seller@example.test`);
  expect(await raw.json()).toEqual({ userName: 'demo.seller@example.test' });
  const undecodable = await fetch(`${api.url}/stats/%ZZ`);
  expect([undecodable.status, undecodable.headers.get('access-control-allow-origin')]).toEqual([400, '*']);
  expect(await undecodable.json()).toMatchObject({ status: 'error' });
});

test('a preflight names the methods and headers of an open route; others have no CORS', async () => {
  const open = await fetch(`${api.url}/stats/x`, { method: 'OPTIONS' });
  expect(open.status).toBe(204);
  expect(open.headers.get('access-control-allow-origin')).toBe('*');
  expect(open.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
  const closed = await fetch(`${api.url}/healthz`, { method: 'OPTIONS' });
  expect(closed.headers.get('access-control-allow-origin')).toBeNull();
});

test('a well-formed request id comes back, any other is replaced by one that is unique', async () => {
  const idFor = async (id: string) =>
    (await fetch(`${api.url}/healthz`, { headers: { 'x-request-id': id } })).headers.get('x-request-id');
  expect(await idFor('abc.DEF_12-3')).toBe('abc.DEF_12-3');
  const replaced = await Promise.all(['short', 'has space in it', 'x'.repeat(129)].map(idFor));
  expect(new Set(replaced).size).toBe(3);
  for (const id of replaced) expect(id).toMatch(/^[A-Za-z0-9._-]{8,128}$/);
});
