import type { Logger } from 'pino';

/** One thing to close. The steps run in order, each after the one before. */
export interface ShutdownStep {
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

/** Starts the shutdown; later calls change nothing. */
export type Shutdown = (reason: string) => void;

/**
 * Ends the process in order on SIGTERM and SIGINT: runs the steps, then exits with 0. When they take longer than the
 * time-out, the process says which step hung and exits with 1; a second signal ends it at once.
 */
export function shutdownOnSignals(
  logger: Logger,
  timeoutSeconds: number,
  steps: readonly ShutdownStep[],
): Shutdown {
  let running: string | undefined;
  const shutdown: Shutdown = (reason) => {
    if (running !== undefined) return;
    running = 'start';
    logger.info({ reason }, 'Shutting down');
    setTimeout(() => {
      logger.error({ step: running }, `The shutdown took longer than ${timeoutSeconds} s`);
      exit(logger, 1);
    }, timeoutSeconds * 1000).unref();
    void runSteps();
  };
  const runSteps = async () => {
    let failed = false;
    for (const step of steps) {
      running = step.name;
      try {
        await step.run();
      } catch (error) {
        failed = true;
        logger.error({ err: error, step: step.name }, 'A step of the shutdown failed');
      }
    }
    logger.info('Shut down');
    exit(logger, failed ? 1 : 0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (running !== undefined) exit(logger, 1);
      shutdown(signal);
    });
  }
  return shutdown;
}

function exit(logger: Logger, code: number): void {
  logger.flush(() => process.exit(code));
}
