import { defineConfig } from 'vitest/config';

/** For running this package's suite alone: `vitest run --root embedded/mongo`. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
