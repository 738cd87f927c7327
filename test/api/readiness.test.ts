import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startRedis } from '../../embedded/redis.ts';
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

async function timed(path: string, headers: Record<string, string> = {}) {
  const startedAt = performance.now();
  const answer = await fetch(`${api.url}${path}`, { headers });
  return { answer, milliseconds: performance.now() - startedAt };
}

test('ready while both stores take a write and give it back', async () => {
  const { answer } = await timed('/readyz');
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
      const looked = await timed('/readyz');
      return looked.answer.status === 503 ? looked : undefined;
    });
    expect(notReady.milliseconds).toBeLessThan(2_000);
    expect(notReady.answer.headers.get('retry-after')).toBe('2');
    const job = await timed('/api/jobs/usage/some-job', { 'x-api-key': api.adminKey });
    expect([job.answer.status, job.milliseconds < 2_000]).toEqual([503, true]);
    const page = await timed('/');
    expect([page.answer.status, page.milliseconds < 2_000]).toEqual([200, true]);
    expect((await timed('/healthz')).answer.status).toBe(200);
  } finally {
    process.kill(redis.pid, 'SIGCONT');
  }
  await waitFor('ready again', async () =>
    (await timed('/readyz')).answer.status === 200 ? true : undefined,
  );
});
