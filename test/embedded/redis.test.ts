import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { canUnpackPackages } from '../../embedded/debianPackages.ts';
import { EmbeddedServerError } from '../../embedded/embeddedServer.ts';
import { type RedisOptions, startRedis } from '../../embedded/redis.ts';
import { isRunning } from '../support/isRunning.ts';
import { startProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { waitFor } from '../support/waitFor.ts';
import { linkTools } from './linkTools.ts';

async function start(options: RedisOptions) {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  const client = new Redis(server.url);
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return { server, client };
}

async function setting(client: Redis, name: string): Promise<string | undefined> {
  const reply = await client.config('GET', name);
  return Array.isArray(reply) ? String(reply[1]) : undefined;
}

/** The file that Redis appends to now. */
async function appendOnlyFile(dir: string): Promise<string> {
  const folder = join(dir, 'appendonlydir');
  const name = (await readdir(folder)).find((file) => file.endsWith('.incr.aof'));
  return join(folder, name ?? 'missing');
}

test('listens on loopback only, writes every command to disk and never evicts', async () => {
  const { server, client } = await start({ dir: await temporaryFolder() });
  expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
  expect(await setting(client, 'bind')).toBe('127.0.0.1');
  expect(await setting(client, 'appendonly')).toBe('yes');
  expect(await setting(client, 'appendfsync')).toBe('always');
  expect(await setting(client, 'maxmemory-policy')).toBe('noeviction');
});

test('keeps its data over a stop and over a kill, on the same port', async () => {
  const dir = await temporaryFolder();
  const first = await start({ dir });
  await first.client.set('before', 'stop');
  await first.server.stop();
  expect(isRunning(first.server.pid)).toBe(false);

  const second = await start({ dir, port: first.server.port });
  await second.client.set('before', 'kill', 'GET');
  process.kill(second.server.pid, 'SIGKILL');
  expect(await second.server.exited).toEqual({ code: null, signal: 'SIGKILL' });

  const third = await start({ dir, port: first.server.port });
  expect(await third.client.get('before')).toBe('kill');
});

test('drops a last command that was written by half', async () => {
  const dir = await temporaryFolder();
  const first = await start({ dir });
  await first.client.set('whole', 'kept');
  await first.server.stop();
  await appendFile(await appendOnlyFile(dir), '*3\r\n$3\r\nSET\r\n$4\r\nhalf');

  const { client } = await start({ dir });
  expect(await client.get('whole')).toBe('kept');
});

test('a damaged file is told, with what Redis says about it, and stays as it is', async () => {
  const dir = await temporaryFolder();
  const first = await start({ dir });
  await first.client.set('key', 'value');
  await first.server.stop();
  const file = await appendOnlyFile(dir);
  const damaged = (await readFile(file, 'latin1')).replace('*3', '*x');
  await writeFile(file, damaged, 'latin1');

  const failure = await startRedis({ dir }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EmbeddedServerError);
  expect(String(failure)).toContain(dir);
  expect(String(failure)).toMatch(/Bad file format/);
  expect(await readFile(file, 'latin1')).toBe(damaged);
});

test('a port that is taken is told', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  const port = await waitFor('the port', async () => {
    const address = other.address();
    return typeof address === 'object' && address ? address.port : undefined;
  });
  await expect(startRedis({ dir: await temporaryFolder(), port })).rejects.toThrow(`port ${port} is in use`);
});

test('does not outlive a parent that is killed', async () => {
  const parent = startProcess('test/embedded/holdRedis.ts', {}, [await temporaryFolder()]);
  const pid = Number((await parent.line((line) => line.startsWith('pid '))).slice(4));
  expect(isRunning(pid)).toBe(true);
  parent.kill('SIGKILL');
  await waitFor('the end of Redis', async () => (isRunning(pid) ? undefined : true));
});

test('ends the Redis that still runs on the folder before it starts another', async () => {
  const dir = await temporaryFolder();
  const left = await start({ dir });
  await left.client.set('key', 'kept');
  const { client } = await start({ dir });
  expect(await left.server.exited).toMatchObject({ signal: 'SIGKILL' });
  expect(await client.get('key')).toBe('kept');
});

test('without a server and without apt it says what to install', async () => {
  const empty = await temporaryFolder();
  vi.stubEnv('PATH', empty);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(startRedis({ dir: join(empty, 'data'), cacheDir: join(empty, 'cache') })).rejects.toThrow(
    /apt-get install redis-server.*REDIS_URL/s,
  );
});

test.runIf(canUnpackPackages())(
  'unpacks a private copy without root, also when several start at once, and finds it the next time',
  async () => {
    const folder = await temporaryFolder();
    const tools = join(folder, 'bin');
    await mkdir(tools);
    await linkTools(tools);
    vi.stubEnv('PATH', tools);
    onTestFinished(() => void vi.unstubAllEnvs());
    const cacheDir = join(folder, 'cache');
    const notices: string[] = [];
    const options = (name: string) => ({
      dir: join(folder, name),
      cacheDir,
      onNotice: (text: string) => notices.push(text),
    });

    await Promise.all([start(options('one')), start(options('two'))]);
    expect(await readdir(cacheDir)).toHaveLength(1);
    expect(notices.length).toBeGreaterThan(0);

    notices.length = 0;
    const { client } = await start(options('three'));
    expect(await client.ping()).toBe('PONG');
    expect(notices).toEqual([]);
  },
);
