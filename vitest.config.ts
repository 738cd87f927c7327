import { defineConfig } from 'vitest/config';

/** Every test file runs in a process of its own against one Redis and one MongoDB, started once for the run. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'embedded/mongo/test/**/*.test.ts'],
    globalSetup: ['test/support/services.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
  },
});
