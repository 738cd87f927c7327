import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { findHolder } from '../../scripts/start/dataFolder.ts';
import { isRunning } from '../support/isRunning.ts';
import { startProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import { waitFor } from '../support/waitFor.ts';
import { childrenOf, readDemo, runScript, startSystem, startVariables } from './testStart.ts';

const run = promisify(execFile);
const RESTART_LIMIT_MS = 60_000;

async function isReady(baseUrl: string): Promise<true | undefined> {
  return (await fetch(`${baseUrl}/readyz`)).ok ? true : undefined;
}

async function imagesOf(baseUrl: string, userName: string): Promise<number> {
  const answer = await fetch(`${baseUrl}/api/tools/stats/${userName}`);
  return JSON.parse(await answer.text()).data.stats.total_image_count;
}

async function logIn(url: string, fields: object) {
  const answer = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(fields),
    headers: { 'Content-Type': 'application/json' },
  });
  expect([url, answer.status]).toEqual([url, 200]);
  return JSON.parse(await answer.text());
}

async function report(baseUrl: string, userName: string): Promise<number> {
  const body = new URLSearchParams({ userName, image_count: '3', image_cost: '0.0609' });
  return (await fetch(`${baseUrl}/api/tools/update`, { method: 'POST', body })).status;
}

test('starts, keeps its processes running, backs up meanwhile, drains, and goes on where it was', async () => {
  const folder = join(await temporaryFolder(), 'data');
  const first = await startSystem(folder);
  const demo = await readDemo(folder);
  const { base_url: url, seller } = demo;

  // Second start on the same folder.
  const second = await runScript('start.ts', folder);
  expect(second.code).toBe(1);
  expect(second.output).toContain(`pid ${first.pid}, at ${url}`);

  // The printed lines work as printed.
  const posted = await run('sh', ['-c', demo.lines.usage ?? '']);
  expect(JSON.parse(posted.stdout)).toMatchObject({
    status: 'success',
    data: { userName: seller.userName },
  });
  const stats = await run('sh', ['-c', demo.lines.usage_stats ?? '']);
  expect(JSON.parse(stats.stdout)).toMatchObject({
    data: { stats: { total_image_count: 3, total_cost: 6.4609 } },
  });
  const board = Buffer.from(`${demo.board.username}:${demo.board.password}`).toString('base64');
  expect((await fetch(`${url}/admin/queues`, { headers: { Authorization: `Basic ${board}` } })).status).toBe(
    200,
  );
  const metrics = await fetch(`${url}/metrics`, {
    headers: { Authorization: `Bearer ${demo.admin.api_key}` },
  });
  expect(metrics.status).toBe(200);

  const credits = await run('sh', ['-c', demo.lines.credits ?? '']);
  expect(JSON.parse(credits.stdout)).toMatchObject({ success: true, user_id: 'demo-user', credits: 60 });

  const saved = await run('sh', ['-c', demo.lines.workspace ?? '']);
  expect(JSON.parse(saved.stdout)).toMatchObject({ success: true });
  const drawn: unknown = JSON.parse((await run('sh', ['-c', demo.lines.icons ?? ''])).stdout);
  expect(drawn).toMatchObject({ success: true, metadata: { category: 'garden tools', style: 'flat' } });

  // So do the logins.
  const { admin, member, company, edge, superadmin } = demo;
  for (const { email, password } of [admin, member, company]) {
    const user = (await logIn(`${url}/api/auth/login`, { email, password })).user;
    expect(user).toMatchObject({ email, is_admin: email === admin.email });
    if (email === admin.email) {
      expect(user).toMatchObject({ credits_user_id: 'demo-user', usage_user_id: expect.any(Number) });
    }
  }
  expect(await logIn(`${url}/api/v1/token/`, edge)).toMatchObject({ access: expect.any(String) });
  const { access_token: token } = await logIn(`${url}/api/superadmin/login`, superadmin);
  const accounts = await fetch(`${url}/api/accounts`, { headers: { Authorization: `Bearer ${token}` } });
  expect(JSON.parse(await accounts.text()).accounts).toHaveLength(5);
  const printed = first.lines.join('\n');
  for (const { password } of [admin, member, company, edge, superadmin]) {
    expect(printed).not.toContain(password);
  }

  // Every process that is killed comes back, the databases with their data.
  for (const program of ['redis-server', 'embedded/mongo', 'src/api/main.ts', 'src/workers/main.ts']) {
    const [pid] = [...(await childrenOf(first.pid))].find(([, command]) => command.includes(program)) ?? [];
    expect(pid, program).toBeDefined();
    process.kill(pid ?? 0, 'SIGKILL');
    await waitFor(
      `${program} again`,
      async () => {
        const children = [...(await childrenOf(first.pid))];
        return children.some(([other, command]) => other !== pid && command.includes(program))
          ? true
          : undefined;
      },
      RESTART_LIMIT_MS,
    );
  }
  await waitFor('readiness', () => isReady(url), RESTART_LIMIT_MS);
  expect(await imagesOf(url, seller.userName)).toBe(3);

  // A backup of the running system, then one more report that it does not hold.
  const archive = join(folder, '../backup.tar.gz');
  expect(await runScript('data.ts', folder, ['backup', archive])).toMatchObject({ code: 0 });
  expect((await stat(archive)).mode & 0o777).toBe(0o600);
  expect(await report(url, seller.userName)).toBe(200);
  expect(await imagesOf(url, seller.userName)).toBe(6);
  expect((await runScript('data.ts', folder, ['restore', '--yes', archive])).output).toContain('in use');

  // Ctrl-C in a terminal reaches the process twice: by the terminal and by npm.
  const children = [...(await childrenOf(first.pid)).keys()];
  first.kill('SIGINT');
  first.kill('SIGINT');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  expect(children.filter(isRunning)).toEqual([]);
  expect(first.lines.filter((line) => line.includes('took longer'))).toEqual([]);

  // The next start has the same keys, and the data of the backup.
  const credentials = await readFile(join(folder, 'credentials.json'), 'utf8');
  expect(await runScript('data.ts', folder, ['restore', '--yes', archive])).toMatchObject({ code: 0 });
  const third = await startSystem(folder);
  expect(await readFile(join(folder, 'credentials.json'), 'utf8')).toBe(credentials);
  const again = await readDemo(folder);
  expect({ ...again, base_url: '', lines: {} }).toEqual({ ...demo, base_url: '', lines: {} });
  await logIn(`${again.base_url}/api/superadmin/login`, again.superadmin);
  expect(await imagesOf(again.base_url, seller.userName)).toBe(3);

  // Killed itself, it leaves nothing behind: no process, no lock.
  const left = [...(await childrenOf(third.pid)).keys()];
  third.kill('SIGKILL');
  await waitFor('the end of every process', async () => (left.some(isRunning) ? undefined : true));
  expect(await runScript('data.ts', folder, ['reset', '--yes'])).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, 'credentials.json'))).toBe(false);
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  '%s to npm stops everything that npm start started',
  async (signal) => {
    const folder = await temporaryFolder();
    const variables = { ...process.env, ...startVariables(folder) };
    const npm = spawn('npm', ['start'], { env: variables, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void npm.kill('SIGKILL'));
    const lines = createInterface({ input: npm.stdout });
    for await (const line of lines) if (line.includes('Millrace is ready')) break;
    npm.stdout.resume();
    const supervisor = findHolder(folder)?.pid ?? 0;
    const started = [supervisor, ...(await childrenOf(supervisor)).keys()];
    expect(started.length).toBeGreaterThanOrEqual(6);

    npm.kill(signal);
    await waitFor(
      'the end of every process',
      async () => (started.some(isRunning) ? undefined : true),
      RESTART_LIMIT_MS,
    );
    expect(findHolder(folder)).toBeUndefined();
  },
);

test('a port that is taken is told before anything is started', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  const port = await waitFor('the port', async () => {
    const address = other.address();
    return typeof address === 'object' && address ? String(address.port) : undefined;
  });
  const folder = await temporaryFolder();
  const start = startProcess('scripts/start.ts', { ...startVariables(folder), PORT: port });
  expect(await start.exited).toMatchObject({ code: 1 });
  expect(start.lines).toEqual([
    `Port ${port} is in use by another process. Choose another one: PORT=${Number(port) + 1} npm start`,
  ]);
  expect(existsSync(join(folder, 'redis'))).toBe(false);
});

test('an address of another machine is not taken for a busy port', async () => {
  const folder = await temporaryFolder();
  const start = startProcess('scripts/start.ts', { ...startVariables(folder), HOST: '192.0.2.1' });
  expect(await start.exited).toMatchObject({ code: 1 });
  expect(start.lines).toEqual([
    expect.stringMatching(
      /^The API cannot listen there \(listen EADDRNOTAVAIL: .* 192\.0\.2\.1:\d+\)\. Check HOST and PORT\.$/,
    ),
  ]);
  expect(existsSync(join(folder, 'redis'))).toBe(false);
});

test('everything wrong with the environment is told at once', async () => {
  const folder = await temporaryFolder();
  const start = startProcess('scripts/start.ts', {
    ...startVariables(folder),
    LOG_LEVEL: 'loud',
    TRUSTED_PROXIES: 'x',
  });
  expect(await start.exited).toMatchObject({ code: 1 });
  expect(start.lines.join('\n')).toMatch(/TRUSTED_PROXIES.*LOG_LEVEL|LOG_LEVEL.*TRUSTED_PROXIES/s);
});

test('demo says so when nothing runs, and prints nothing else', async () => {
  const folder = await temporaryFolder();
  const { code, output } = await runScript('demo.ts', folder);
  expect(code).toBe(1);
  expect(output).toBe(`No demo data for ${folder}: nothing runs; start it with npm start.`);
});

test('settings that no restart mends stop the whole start', async () => {
  const folder = await temporaryFolder();
  const start = startProcess('scripts/start.ts', {
    ...startVariables(folder),
    OPENAI_API_KEY: 'sk-unused-by-this-test',
    OPENAI_MODEL: 'dall-e-3',
  });
  onTestFinished(() => start.kill('SIGKILL'));
  await start.line((line) => line.includes('which OpenAI has shut down: set it to'));
  const again = start.line((line) => line.includes('it starts again')).catch(() => undefined);
  const end = await Promise.race([start.exited, again]);
  expect(end).toEqual({ code: 1, signal: null });
  expect(start.lines).toContainEqual(
    expect.stringMatching(/^(web|worker) cannot work with these settings; its lines above say/),
  );
  expect(findHolder(folder)).toBeUndefined();
});
