/**
 * Makes a check whose success holds for a while; those who ask at the same time share one. A failure is told to those who
 * wait for it, and not remembered.
 */
export function rememberSuccess(check: () => Promise<void>, milliseconds: number): () => Promise<void> {
  let holdsUntil = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    try {
      await check();
      holdsUntil = performance.now() + milliseconds;
    } finally {
      running = undefined;
    }
  }

  return () => {
    if (performance.now() < holdsUntil) return Promise.resolve();
    running ??= run();
    return running;
  };
}
