import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { LaneRests } from '../../src/platforms/images/laneRests.ts';
import { RateLane } from '../../src/platforms/images/rateLane.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${api.url}${path}`, { headers });
const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`${api.board.username}:${password}`).toString('base64')}`,
});

test('operator access takes the key in either header and nothing else', async () => {
  expect((await get('/metrics', { authorization: `Bearer ${api.adminKey}` })).status).toBe(200);
  expect((await get('/metrics', { 'x-api-key': api.adminKey })).status).toBe(200);
  const refusals = [
    [{}, ''],
    [{ authorization: `Basic ${api.adminKey}` }, ''],
    [{ 'x-api-key': 'wrong' }, ', error="invalid_token"'],
    [{ authorization: 'Bearer wrong' }, ', error="invalid_token"'],
  ] as const;
  for (const [headers, more] of refusals) {
    const refused = await get('/metrics', headers);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer realm="millrace"${more}`,
    ]);
  }
});

test('metrics count requests by pattern, never by path', async () => {
  await get('/api/jobs/usage/some-odd-id', { 'x-api-key': api.adminKey });
  const metrics = await (await get('/metrics', { 'x-api-key': api.adminKey })).text();
  expect(metrics).toContain(
    'millrace_http_request_duration_seconds_count{method="GET",route="/api/jobs/:queue/:id",status="4xx"} 1',
  );
  expect(metrics).not.toContain('some-odd-id');
  expect(metrics).toContain('millrace_queue_jobs{queue="usage",state="waiting"} 0');
  expect(metrics).toContain('millrace_icon_calls{outcome="unknown"} 0');
});

test('metrics tell how long the image API is left alone', async () => {
  const lane = new RateLane(api.redis, api.prefix, 'gpt-image-2', { requests: 1, tokens: 1, images: 1 });
  await lane.pause(3_600_000);
  onTestFinished(async () => {
    await new LaneRests(api.redis, api.prefix).end();
  });
  const metrics = await (await get('/metrics', { 'x-api-key': api.adminKey })).text();
  expect(metrics).toMatch(/^millrace_icon_rest_seconds\{model="gpt-image-2"\} 3[56]\d\d/m);
  expect(metrics).toContain('millrace_icon_rest_seconds{model="gpt-image-1.5"} 0\n');
});

test('a job is shown without its payload; odd ids are harmless', async () => {
  const job = await api.queues
    .of(usageQueue)
    .add('store', { payload: { secret: 'in-the-payload' }, request_ids: [] }, { attempts: 4 });
  const shown = await get(`/api/jobs/usage/${job.id}`, { 'x-api-key': api.adminKey });
  const text = await shown.text();
  expect(JSON.parse(text)).toMatchObject({
    state: 'waiting',
    attempts_made: 0,
    attempts_allowed: 4,
    result: null,
  });
  expect(text).not.toContain('in-the-payload');
  const odd = ['meta', 'events', 'wait', 'a%3Ab', '%2e%2e%2fmeta', 'x'.repeat(300), '%00', '*'];
  for (const id of odd) {
    const answer = await get(`/api/jobs/usage/${id}`, { 'x-api-key': api.adminKey });
    expect([id, answer.status]).toEqual([id, 404]);
  }
  expect((await get('/api/jobs/nothing/1', { 'x-api-key': api.adminKey })).status).toBe(404);
  await job.remove();
});

test('the board needs its password, and its own files load', async () => {
  expect((await get('/admin/queues')).status).toBe(401);
  expect((await get('/admin/queues', basic('wrong'))).status).toBe(401);
  const page = await get('/admin/queues/', basic(api.board.password));
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  const scripts = [...(await page.text()).matchAll(/src="(static\/[^"]+)"/g)].map((match) => match[1]);
  expect(scripts.length).toBeGreaterThan(0);
  for (const script of scripts) {
    expect((await get(`/admin/queues/${script}`, basic(api.board.password))).status).toBe(200);
  }
});

test('the board takes changes from its own pages only', async () => {
  const pause = (headers: Record<string, string>) =>
    fetch(`${api.url}/admin/queues/api/queues/usage/pause`, {
      method: 'PUT',
      headers: { ...basic(api.board.password), ...headers },
    });
  expect((await pause({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  expect((await pause({ origin: 'http://elsewhere.test' })).status).toBe(403);
  expect(await api.queues.of(usageQueue).isPaused()).toBe(false);
  expect((await pause({ origin: api.url })).status).toBe(200);
  expect(await api.queues.of(usageQueue).isPaused()).toBe(true);
  await api.queues.of(usageQueue).resume();
});

test('the board covers secrets in payloads and options', async () => {
  const job = await api.queues
    .of(usageQueue)
    .add('store', { payload: { api_key: 'covered-1', url: 'redis://u:covered-2@h/' }, request_ids: [] });
  const shown = await get(`/admin/queues/api/queues/usage/${job.id}`, basic(api.board.password));
  const text = await shown.text();
  expect(shown.status).toBe(200);
  expect(text).toContain('[redacted]');
  expect(text).not.toMatch(/covered-[12]/);
  await job.remove();
});

test('a board without a password is not there', async () => {
  const bare = await startApiServer({ withBoard: false });
  try {
    expect((await fetch(`${bare.url}/admin/queues`)).status).toBe(404);
  } finally {
    await bare.close();
  }
});
