import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A process of the product under test, with its log lines as they come. */
export interface TestProcess {
  readonly pid: number;
  /** Every line so far, on either stream; the newest thousands. */
  readonly lines: readonly string[];
  /** Resolves with the first line, past or to come, that the test wants. Rejects when the process ends before. */
  line(wanted: (line: string) => boolean): Promise<string>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

const MOST_LINES = 20_000;
const running = new Set<ChildProcess>();

// A test run that is interrupted must not leave its processes behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a TypeScript entry of the product on this same Node, with these variables added to the environment. */
export function startProcess(
  entry: string,
  environment: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): TestProcess {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...process.env, NODE_ENV: 'test', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (lines.length >= MOST_LINES) lines.splice(0, MOST_LINES / 2);
      lines.push(line);
      for (const look of waiting) look(line);
    });
  }
  const exited = once(child, 'exit').then(([code, signal]) => {
    running.delete(child);
    return { code, signal };
  });
  return {
    pid: child.pid ?? 0,
    lines,
    exited,
    line(wanted) {
      const known = lines.find(wanted);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        const look = (line: string) => {
          if (!wanted(line)) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        void exited.then(({ code, signal }) => {
          if (!waiting.delete(look)) return;
          reject(
            new Error(
              `${entry} ended (${code ?? signal}) before the line came:\n${lines.slice(-20).join('\n')}`,
            ),
          );
        });
      });
    },
    kill: (signal) => child.kill(signal),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
