import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Output } from './output.ts';
import { describeEnd, type Running } from './supervise.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXIT_WITH_PARENT = new URL('./exitWithParent.ts', import.meta.url).href;

export interface NodeProcessOptions {
  name: string;
  /** Path inside the repository, then its arguments. */
  command: readonly string[];
  environment: NodeJS.ProcessEnv;
  output: Output;
  /** How long it may take to end after SIGTERM before it is killed. */
  stopLimitMs: number;
}

/**
 * Starts one of our programs on the Node that runs this one. It gets a session of its own: Ctrl-C in the terminal reaches the supervisor only,
 * which then stops everything in its order.
 */
export async function startNodeProcess(options: NodeProcessOptions): Promise<Running> {
  const { name, command, environment, output, stopLimitMs } = options;
  const child = spawn(process.execPath, ['--import', EXIT_WITH_PARENT, ...command], {
    cwd: ROOT,
    env: environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(describeEnd({ code, signal })));
  });
  const passLines = (stream: Readable) => {
    createInterface({ input: stream }).on('line', (line) => output.pass(name, line));
  };
  if (child.stdout) passLines(child.stdout);
  if (child.stderr) passLines(child.stderr);
  return {
    pid: child.pid ?? 0,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
      await exited;
      clearTimeout(force);
    },
  };
}
