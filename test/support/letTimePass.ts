import { fileURLToPath } from 'node:url';
import { onTestFinished, vi } from 'vitest';
import { laterDate } from './laterDate.ts';
import type { TestProcess } from './processes.ts';

/**
 * What has an end is made to last for long, and its end comes with a jump of the clocks: so it matters to nobody how long
 * the steps before take.
 */
export const JUMP_MILLISECONDS = 3_600_000;

/** The environment of a process for which `letTimePass` works. */
export const CLOCK_THAT_JUMPS: Readonly<Record<string, string>> = {
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('clockThatJumps.ts', import.meta.url))}`,
  CLOCK_JUMP_MILLISECONDS: String(JUMP_MILLISECONDS),
};

/** Puts the wall clock of such a process forward, once. */
export async function letTimePass(running: TestProcess): Promise<void> {
  running.kill('SIGUSR2');
  await running.line((line) => line.includes('The clock has jumped'));
}

/** Puts the wall clock of this process forward, until the running test is over. */
export function letOwnTimePass(milliseconds = JUMP_MILLISECONDS): void {
  vi.stubGlobal(
    'Date',
    laterDate(Date, () => milliseconds),
  );
  onTestFinished(() => void vi.unstubAllGlobals());
}
