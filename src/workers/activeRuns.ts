/** Why a run was aborted. Its job is not at fault, except for a time-out. */
export class JobTimeoutError extends Error {
  override name = 'JobTimeoutError';

  constructor(milliseconds: number) {
    super(`The job took longer than its ${milliseconds} ms`);
  }
}

/** The drain ran out of time: another worker does the job. */
export class WorkerStoppingError extends Error {
  override name = 'WorkerStoppingError';
}

/** This process lost its claim on the job (it stood still, or Redis was away): whoever claims it next does the job. */
export class LockLostError extends Error {
  override name = 'LockLostError';
}

/** The runs of one worker, so that they can be aborted. Nothing of a run stays behind when it has ended. */
export class ActiveRuns {
  readonly #controllers = new Map<string, AbortController>();
  /** Job ids by what is seen through; a run may go on unheard, and another run of the job beside it. */
  readonly #seenThrough = new Map<Promise<unknown>, string>();

  has(jobId: string): boolean {
    return this.#controllers.has(jobId);
  }

  /**
   * Runs the work until it ends or is aborted. Work that ignores its signal goes on unheard, and what it ends with is
   * dropped: it must not hold the slot.
   *
   * @throws what the work throws, or the reason of the abort: one of the errors of this file
   */
  async run<T>(
    jobId: string,
    timeoutMilliseconds: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true });
    const timer = setTimeout(
      () => controller.abort(new JobTimeoutError(timeoutMilliseconds)),
      timeoutMilliseconds,
    );
    this.#controllers.set(jobId, controller);
    try {
      return await Promise.race([work(signal), aborted.promise]);
    } catch (error) {
      // A handler that heeds the signal fails with an error of its own; the reason says more.
      throw signal.aborted ? signal.reason : error;
    } finally {
      clearTimeout(timer);
      this.#controllers.delete(jobId);
    }
  }

  abort(jobId: string, reason: Error): void {
    this.#controllers.get(jobId)?.abort(reason);
  }

  abortAll(reason: Error): void {
    for (const controller of this.#controllers.values()) controller.abort(reason);
  }

  /** Does the job's work, which `abortInterruptible` leaves alone. */
  async seeThrough<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    const working = work();
    this.#seenThrough.set(working, jobId);
    try {
      return await working;
    } finally {
      this.#seenThrough.delete(working);
    }
  }

  /** @returns how many pieces of work are seen through */
  abortInterruptible(reason: Error): number {
    const seenThrough = new Set(this.#seenThrough.values());
    for (const [jobId, controller] of this.#controllers) {
      if (!seenThrough.has(jobId)) controller.abort(reason);
    }
    return this.#seenThrough.size;
  }

  /** Resolves when all that is seen through now has ended, also in runs that go on unheard. */
  async untilSeenThrough(): Promise<void> {
    await Promise.allSettled(this.#seenThrough.keys());
  }
}
