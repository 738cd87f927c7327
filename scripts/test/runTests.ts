import { parseCLI, startVitest } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Runs vitest, which prints as it goes, and counts its tests. Every error outside of a test (a file that cannot be read, a rejection that nobody
 * handled) counts as one more failure.
 */
export async function runTests(args: string[]): Promise<Counts> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args]);
  const vitest = await startVitest('test', filter, { ...options, watch: false });
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of vitest.state.getTestModules()) {
    counts.failed += module.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === 'pending' ? 'skipped' : state] += 1;
    }
  }
  counts.failed += vitest.state.getUnhandledErrors().length;
  await vitest.close();
  return counts;
}

export function addCounts(total: Counts, more: Counts): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}
