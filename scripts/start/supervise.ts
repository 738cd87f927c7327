import { setTimeout as wait } from 'node:timers/promises';
import { WRONG_SETTINGS_EXIT_CODE } from '../../config/exitCode.ts';
import type { ProcessEnd } from '../../embedded/serverProcess.ts';

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 15_000;
/** A process that ran so long has recovered: its next end counts as the first again. */
const STEADY_MS = 30_000;
const REPORTED_FAILURES = 5;

/** How a process that did what it should has ended. */
export const SUCCESS = 'exit code 0';
/** How a process has ended that can never work with its settings. */
export const WRONG_SETTINGS = `exit code ${WRONG_SETTINGS_EXIT_CODE}`;

/** How a process ended, in words. */
export function describeEnd({ code, signal }: ProcessEnd): string {
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}

/** A process that runs now. */
export interface Running {
  pid: number;
  /** Resolves at its end with how it ended, such as `exit code 1`. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

/** A process that is kept running. */
export interface Supervised {
  name: string;
  /** Stops it for good. */
  stop(): Promise<void>;
  /** Kills it for good, at once, with all processes that it made. */
  kill(): void;
}

export interface SuperviseOptions {
  name: string;
  start: () => Promise<Running>;
  /** Already started, for those whose first start must succeed. */
  first?: Running;
  say: (text: string) => void;
  /** Told the pid after each start. */
  onStart?: (pid: number) => void;
  /** Called in place of another start when the process ended because of its settings: no start changes those. */
  onWrongSettings?: () => void;
}

/** Starts a process again whenever it ends, at once the first time, then after ever longer pauses; wrong settings excepted. */
export function supervise(options: SuperviseOptions): Supervised {
  const { name, start, say, onStart, onWrongSettings } = options;
  const stopping = new AbortController();
  let current = options.first;

  const runOnce = async (): Promise<string> => {
    try {
      current ??= await start();
      onStart?.(current.pid);
      if (stopping.signal.aborted) await current.stop();
      return await current.exited;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      current = undefined;
    }
  };

  const keepRunning = async (): Promise<void> => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      const end = await runOnce();
      if (stopping.signal.aborted) return;
      if (onWrongSettings && end === WRONG_SETTINGS) return onWrongSettings();
      failures = performance.now() - startedAt > STEADY_MS ? 1 : failures + 1;
      const delay = restartDelay(failures);
      say(`${name} ended (${end}); it starts again in ${(delay / 1000).toFixed(1)} s.`);
      if (failures % REPORTED_FAILURES === 0) {
        say(`${name} has ended ${failures} times in a row and cannot work; its own lines above say why.`);
      }
      await wait(delay, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };

  const finished = keepRunning();
  return {
    name,
    async stop() {
      stopping.abort();
      await current?.stop();
      await finished;
    },
    kill() {
      stopping.abort();
      if (current) killGroup(current.pid);
    },
  };
}

/** Doubles from failure to failure, up to a limit; the random part keeps processes that died together apart. */
function restartDelay(failures: number): number {
  const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
  return full * (0.5 + Math.random() / 2);
}

/** Every process here leads a group of its own. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
