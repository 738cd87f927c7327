import { readdir, readFile } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { startProcess, type TestProcess } from '../support/processes.ts';

const emailLogin = z.object({ email: z.email(), password: z.string().min(16) });
const usernameLogin = z.object({ username: z.string().min(1), password: z.string().min(16) });

const demo = z.strictObject({
  base_url: z.string(),
  seller: z.object({ userName: z.string() }),
  admin: emailLogin.extend({ api_key: z.string().min(16) }),
  board: usernameLogin,
  superadmin: usernameLogin,
  company: emailLogin,
  edge: usernameLogin,
  member: emailLogin,
  credits: z.object({ api_key: z.string().min(16), bonus_key: z.string().min(16), user_id: z.string() }),
  lines: z.record(z.string(), z.string()),
});

/** Variables of a start on a folder of the test's own, with embedded databases whatever the run of the tests uses. */
export function startVariables(folder: string): Record<string, string> {
  return {
    DATA_DIR: folder,
    PORT: '0',
    REDIS_URL: '',
    MONGODB_URL: '',
    LOG_LEVEL: 'info',
    DRAIN_TIMEOUT_SECONDS: '60',
  };
}

/** Starts the whole system and waits until it says that it is ready. */
export async function startSystem(folder: string): Promise<TestProcess> {
  const system = startProcess('scripts/start.ts', startVariables(folder));
  onTestFinished(() => system.kill('SIGKILL'));
  await system.line((line) => line.includes('Millrace is ready'));
  return system;
}

/** How a command ended and what it printed. */
export interface CommandResult {
  code: number | null;
  output: string;
}

/** Runs one of the scripts on a data folder to its end. */
export async function runScript(script: string, folder: string, args: string[] = []): Promise<CommandResult> {
  const running = startProcess(`scripts/${script}`, startVariables(folder), args);
  const { code } = await running.exited;
  return { code, output: running.lines.join('\n') };
}

/** What `npm run --silent demo` prints, read as JSON. */
export async function readDemo(folder: string): Promise<z.infer<typeof demo>> {
  const { output } = await runScript('demo.ts', folder);
  return demo.parse(JSON.parse(output));
}

/** What a process runs; nothing when it has ended meanwhile. */
async function commandOf(pid: number): Promise<string | undefined> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return command?.split('\0').join(' ');
}

/** The processes below a process, by what they run: `redis-server`, `src/api/main.ts`. Linux only. */
export async function childrenOf(pid: number): Promise<Map<number, string>> {
  const children = new Map<number, string>();
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const list = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8');
    for (const child of list.split(' ').filter(Boolean).map(Number)) {
      const command = await commandOf(child);
      if (command !== undefined) children.set(child, command);
    }
  }
  return children;
}
