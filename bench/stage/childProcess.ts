import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const EXIT_WITH_PARENT = fileURLToPath(new URL('../../scripts/start/exitWithParent.ts', import.meta.url));
const SHOWN_LOG_BYTES = 2_000;

/** A process of the benchmark ended before it was told to. */
export class ProcessEndedError extends Error {
  override name = 'ProcessEndedError';
}

export interface NodeProcess {
  /** @throws ProcessEndedError when it runs no more, with the last words of its log */
  requireRunning(): void;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

/** What a child runs and with what. */
export interface NodeProgram {
  /** Path of the TypeScript file. */
  readonly file: string;
  readonly arguments?: readonly string[];
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Standard output and errors go here: a pipe would make this process work for every line. */
  readonly logFile: string;
  /** Folder for a CPU profile, written when the process ends. */
  readonly profileFolder?: string | undefined;
}

/** Runs a program on the same Node as this process. It does not outlive this one. */
export function startNode(program: NodeProgram): NodeProcess {
  const log = openSync(program.logFile, 'a');
  const profile = program.profileFolder
    ? ['--cpu-prof', `--cpu-prof-dir=${program.profileFolder}`, '--cpu-prof-interval=500']
    : [];
  const child = spawn(
    process.execPath,
    [
      ...profile,
      ...(program.nodeOptions ?? []),
      '--import',
      EXIT_WITH_PARENT,
      program.file,
      ...(program.arguments ?? []),
    ],
    { stdio: ['ignore', log, log, 'ipc'], env: { PATH: process.env.PATH, ...program.environment } },
  );
  closeSync(log);
  return {
    requireRunning() {
      if (!hasEnded(child)) return;
      const words = readFileSync(program.logFile, 'utf8').slice(-SHOWN_LOG_BYTES);
      throw new ProcessEndedError(`${program.file} ended by itself. Its last words:\n${words}`);
    },
    async stop() {
      if (hasEnded(child)) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
