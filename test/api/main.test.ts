import { once } from 'node:events';
import { request } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProcess } from '../support/processes.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('webmain');
});
afterAll(() => system.remove());

test('the document of all mounted routes is valid OpenAPI', async () => {
  const web = await system.startWeb();
  const document = JSON.parse(await (await fetch(`${web.url}/openapi.json`)).text());
  const result = await new Validator().validate(document);
  expect(result.errors).toBeUndefined();
  expect(Object.keys(document.paths)).toContain('/api/tools/update');
  await web.stop();
});

test('the lines of the start page name whom npm start makes', async () => {
  const web = await system.startWeb();
  const page = await (await fetch(web.url)).text();
  expect(page).toContain('-d userName=demo.seller');
  expect(page).toContain('user-info?user_id=demo-user');
  await web.stop();
});

test('every request has one line with its id and without its query', async () => {
  const web = await system.startWeb();
  await fetch(`${web.url}/healthz?token=not-in-the-log`, { headers: { 'x-request-id': 'logged-id-1' } });
  const line = await web.line((text) => text.includes('logged-id-1'));
  expect(JSON.parse(line)).toMatchObject({
    level: 'info',
    process: 'web',
    request_id: 'logged-id-1',
    method: 'GET',
    path: '/healthz',
    status: 200,
    ip: '127.0.0.1',
    msg: 'request',
  });
  await web.stop();
  expect(web.lines.filter((text) => text.includes('logged-id-1'))).toHaveLength(1);
  expect(web.lines.join('\n')).not.toContain('not-in-the-log');
});

test('SIGTERM lets a running request end, closes kept connections and exits with 0', async () => {
  const web = await system.startWeb();
  await fetch(`${web.url}/healthz`);
  const slow = request(`${web.url}/api/tools/update`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': 5 },
  });
  slow.write('a=');
  const answered = once(slow, 'response');
  const seen = await fetch(`${web.url}/healthz`);
  expect(seen.status).toBe(200);
  web.kill('SIGTERM');
  await web.line((text) => text.includes('Shutting down'));
  slow.end('1&b');
  const [response] = await answered;
  expect(response.statusCode).toBe(400);
  response.resume();
  expect(await web.exited).toEqual({ code: 0, signal: null });
});

test('a busy port and a bad environment are clear messages', async () => {
  const web = await system.startWeb();
  const port = new URL(web.url).port;
  const second = startProcess('src/api/main.ts', { ...system.environment, PORT: port });
  await second.line((text) => text.includes(`Port ${port} of 127.0.0.1 is in use`));
  expect((await second.exited).code).toBe(1);
  const misled = startProcess('src/api/main.ts', {
    ...system.environment,
    PORT: 'x',
    ADMIN_API_KEY: 'short-secret',
  });
  await misled.line((text) => text.includes('ADMIN_API_KEY needs at least 16 characters'));
  expect((await misled.exited).code).toBe(78);
  expect(misled.lines.join('\n')).toContain('PORT');
  expect(misled.lines.join('\n')).not.toMatch(/short-secret|at main/);
  await web.stop();
});

test('a path that cannot be decoded is answered like the route it resembles longest', async () => {
  const web = await system.startWeb();
  const typeOf = async (path: string) => {
    const answer = await fetch(`${web.url}${path}`);
    return [answer.status, answer.headers.get('content-type')?.split(';')[0]];
  };
  expect(await typeOf('/api/icons/batch/%ZZ/status')).toEqual([400, 'application/json']);
  expect(await typeOf('/api/icons/batch/%ZZ/events')).toEqual([400, 'application/problem+json']);
  await web.stop();
});
