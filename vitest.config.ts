import { defineConfig } from 'vitest/config';

/** Every test file runs in a process of its own against one Redis and one MongoDB, started once for the run. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'embedded/mongo/test/**/*.test.ts'],
    globalSetup: ['test/support/services.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Upper bounds, not expectations: a machine may be ten times slower than another one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    passWithNoTests: true,
  },
});
