import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOpenApiDocument } from '../../src/api/openapi.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

test('the start page shows the checks, the queues and lines to try, and escapes what the client sends', async () => {
  const page = await (await fetch(`${api.url}/`)).text();
  expect(page).toContain('<td>redis</td><td class="good">ok</td>');
  expect(page).toContain('<td>usage</td>');
  expect(page).toContain(`curl -s ${api.url}/healthz`);
  expect(page).toContain('<code>npm run --silent demo</code> prints the keys');
  expect(page).toContain('<code>npm run users -- list</code>');
  expect(page).not.toMatch(/(src|href)="https?:/);
});

test('the documentation page loads everything from here', async () => {
  const answer = await fetch(`${api.url}/docs`);
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  const files = [...(await answer.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
  expect(files).toContain('/docs/swagger-ui-bundle.js');
  for (const file of files) expect([file, (await fetch(`${api.url}${file}`)).status]).toEqual([file, 200]);
  expect((await fetch(`${api.url}/docs/package.json`)).status).toBe(404);
  expect((await fetch(`${api.url}/docs/..%2fpackage.json`)).status).toBe(404);
});

test('the OpenAPI document is valid and says who may call what', async () => {
  const text = await (await fetch(`${api.url}/openapi.json`)).text();
  const result = await new Validator().validate(JSON.parse(text));
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
  const document = JSON.parse(text);
  expect(document.paths['/healthz'].get.security).toEqual([]);
  expect(document.paths['/api/jobs/{queue}/{id}'].get.security).toEqual([
    { bearer: ['operations'] },
    { key: ['operations'] },
  ]);
});

test('a usage route is described with the errors of its contract', () => {
  const document = createOpenApiDocument(
    [
      {
        method: 'post',
        path: '/report',
        access: 'open',
        errors: 'usage',
        documentation: { summary: 'Report', tags: ['Usage'], responses: { 200: { description: 'Taken' } } },
        handle: () => undefined,
      },
    ],
    '1.0.0',
  );
  expect(document.paths?.['/report']?.post?.responses?.default).toMatchObject({
    content: { 'application/json': { schema: { $ref: '#/components/schemas/UsageError' } } },
  });
});
