/**
 * The databases of a test run. REDIS_URL and MONGODB_URL are used when they are set; otherwise embedded servers are started on
 * a temporary folder, once for the run, and removed after it. Tests read both addresses from the environment.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startMongo } from '../../embedded/mongo.ts';
import { startRedis } from '../../embedded/redis.ts';

export default async function startServices(): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  const started: EmbeddedServer[] = [];
  const stopAll = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  const provide = async (variable: 'REDIS_URL' | 'MONGODB_URL', start: () => Promise<EmbeddedServer>) => {
    if (process.env[variable]) return;
    const server = await start();
    started.push(server);
    process.env[variable] = server.url;
  };
  try {
    await provide('REDIS_URL', () => startRedis({ dir: join(dir, 'redis'), onNotice: console.log }));
    await provide('MONGODB_URL', () => startMongo({ dir: join(dir, 'mongo') }));
  } catch (error) {
    await stopAll();
    throw error;
  }
  return stopAll;
}
