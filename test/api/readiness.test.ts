import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startRedis } from '../../embedded/redis.ts';
import { inTime } from '../support/inTime.ts';
import { served } from '../support/served.ts';
import { waitFor } from '../support/waitFor.ts';
import { type ApiServer, startApiServer } from './apiServer.ts';

let dir: string;
let redis: EmbeddedServer;
let api: ApiServer;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-readiness-'));
  redis = await startRedis({ dir });
  api = await startApiServer({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
});

function ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return inTime(() => fetch(`${api.url}${path}`, { headers }));
}

test('ready while both stores take a write and give it back', async () => {
  const answer = await served(() => ask('/readyz'));
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    ready: true,
    checks: expect.arrayContaining([expect.objectContaining({ name: 'mongodb', ok: true })]),
  });
});

test('with a Redis that hangs, everything still answers within two seconds, and recovers', async () => {
  process.kill(redis.pid, 'SIGSTOP');
  try {
    const notReady = await waitFor('not ready', async () => {
      const looked = await ask('/readyz');
      return looked.status === 503 ? looked : undefined;
    });
    expect(notReady.headers.get('retry-after')).toBe('2');
    expect((await ask('/api/jobs/usage/some-job', { 'x-api-key': api.adminKey })).status).toBe(503);
    expect((await ask('/')).status).toBe(200);
    expect((await ask('/healthz')).status).toBe(200);
  } finally {
    process.kill(redis.pid, 'SIGCONT');
  }
  expect((await served(() => ask('/readyz'))).status).toBe(200);
});
