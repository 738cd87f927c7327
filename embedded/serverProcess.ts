import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { findOnPath } from './findOnPath.ts';

const KEPT_LOG_LINES = 30;
const STOP_LIMIT_MS = 10_000;
/** A forked child of a killed server (Redis rewriting its file) may hold the pipes open: the end is not waited for longer. */
const LAST_OUTPUT_LIMIT_MS = 200;

/** How a server process ended: an exit code or the signal that killed it. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A database server that runs as a child process. */
export interface ServerProcess {
  pid: number;
  /** Resolves when the process is gone, however it ended. */
  exited: Promise<ProcessEnd>;
  /** True as long as the process has not ended. */
  isRunning(): boolean;
  /** Resolves at the next line of output, or at the end of the process. */
  nextOutput(): Promise<void>;
  /** Calls back with every line that the process writes to stdout. */
  onLine(listener: (line: string) => void): void;
  /** The last lines of its output, for error messages. */
  logTail(): string;
  /** SIGTERM, and SIGKILL when it has not ended after ten seconds. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Spawns a server that does not outlive its parent: its stdin closes with the parent, and where `setpriv` exists the
 * kernel kills it as well. It gets a session of its own, so that Ctrl-C in a terminal does not reach it: the databases have
 * to stay up until the workers have drained.
 */
export function spawnServer(
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv = {},
): ServerProcess {
  const setpriv = findOnPath('setpriv');
  const [file, fileArgs] = setpriv ? [setpriv, ['--pdeathsig', 'KILL', command, ...args]] : [command, args];
  const child = spawn(file, fileArgs, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...environment },
  });
  return watchProcess(child);
}

function watchProcess(child: ChildProcessByStdio<Writable, Readable, Readable>): ServerProcess {
  const tail: string[] = [];
  const lineListeners: ((line: string) => void)[] = [];
  let outputWaiters: (() => void)[] = [];

  const remember = (line: string) => {
    tail.push(line);
    if (tail.length > KEPT_LOG_LINES) tail.shift();
    const waiters = outputWaiters;
    outputWaiters = [];
    for (const wake of waiters) wake();
  };
  readLines(child.stdout, (line) => {
    remember(line);
    for (const listener of lineListeners) listener(line);
  });
  readLines(child.stderr, remember);
  child.stdin.on('error', () => {});

  let running = true;
  const exited = new Promise<ProcessEnd>((resolve) => {
    const end = (processEnd: ProcessEnd) => {
      running = false;
      resolve(processEnd);
      for (const wake of outputWaiters) wake();
    };
    child.once('error', (error) => {
      remember(error.message);
      end({ code: null, signal: null });
    });
    child.once('exit', (code, signal) => {
      const lastOutput = setTimeout(() => end({ code, signal }), LAST_OUTPUT_LIMIT_MS);
      child.once('close', () => {
        clearTimeout(lastOutput);
        end({ code, signal });
      });
    });
  });

  return {
    pid: child.pid ?? 0,
    exited,
    isRunning: () => running,
    nextOutput: () => new Promise((resolve) => outputWaiters.push(resolve)),
    onLine: (listener) => lineListeners.push(listener),
    logTail: () => tail.join('\n'),
    async stop() {
      if (!running) return;
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await exited;
      clearTimeout(force);
    },
  };
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  let partial = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (partial + text).split('\n');
    partial = (lines.pop() ?? '').slice(-10_000);
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => {
    if (partial !== '') onLine(partial);
  });
}
