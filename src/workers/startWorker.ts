/**
 * The one runner of jobs. It reads a job as its contract says, runs the handler under the contract's time limit, and is
 * the only place that turns outcomes into what BullMQ understands.
 */
import { DelayedError, type Job, RateLimitError, UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { JobContract, QueueContract } from '../queues/defineQueue.ts';
import type { Logger } from '../runtime/logger.ts';
import { isOutage } from '../runtime/outage.ts';
import { backoffDelay } from './backoff.ts';
import type { Handlers, Run } from './handlers.ts';
import type { Outcome } from './outcome.ts';

export interface WorkerDependencies {
  /** A connection of the `worker` role; BullMQ makes a second one of it for waiting. */
  readonly redis: Redis;
  readonly prefix: string;
  readonly logger: Logger;
  /** Resolves when the stores answer again. Until then the worker takes no jobs. */
  readonly untilStoresAnswer: (signal: AbortSignal) => Promise<void>;
}

export interface RunningWorker {
  readonly queue: string;
  /** Takes no more jobs, waits for the running ones; when the time is over they are aborted and left to others. */
  drain(timeoutMilliseconds: number): Promise<void>;
}

/**
 * A killed worker's jobs are taken up again once their lock has run out and somebody looks: within the sum of the two,
 * 15 seconds at most.
 */
const LOCK_MILLISECONDS = 8_000;
const STALLED_CHECK_MILLISECONDS = 5_000;
/**
 * Runs that may begin beyond the attempts, for rescues and outages, which burn none. A job that takes its worker down
 * each time ends here as a dead letter.
 */
const SPARE_STARTS = 20;
const OUTAGE_DELAY_MILLISECONDS = 1_000;

const envelope = z.object({ payload: z.unknown(), request_ids: z.array(z.string()) });

/** Starts taking jobs of the queue. Handlers are looked up by the job's name. */
export function startWorker<Queue extends QueueContract>(
  queue: Queue,
  handlers: Handlers<Queue>,
  dependencies: WorkerDependencies,
): RunningWorker {
  const logger = dependencies.logger.child({ queue: queue.name });
  const stopping = new AbortController();
  const mostAttempts = Math.max(...Object.values(queue.jobs).map((job) => job.attempts));
  let waitingOutOutage = false;

  const worker = new Worker(queue.name, (job, token, signal) => runJob(job, token, signal), {
    connection: dependencies.redis,
    prefix: dependencies.prefix,
    concurrency: queue.concurrency,
    lockDuration: LOCK_MILLISECONDS,
    stalledInterval: STALLED_CHECK_MILLISECONDS,
    maxStalledCount: SPARE_STARTS,
    maxStartedAttempts: mostAttempts + SPARE_STARTS,
    settings: { backoffStrategy: (failures, _type, _error, job) => delayAfter(failures, job) },
  });
  worker.on('error', (error) => logger.debug({ err: error }, 'worker connection'));
  worker.on('failed', (job, error) => reportDeadLetter(job, error));

  async function runJob(job: Job, token?: string, lockSignal?: AbortSignal): Promise<unknown> {
    const started = performance.now();
    const contract = contractOf(job);
    const parsed = parse(job, contract);
    const runLogger = logger.child({
      job: job.id,
      name: job.name,
      attempt: job.attemptsMade + 1,
      request_id: loggedRequestIds(parsed.requestIds),
    });
    const deadline = AbortSignal.timeout(contract.timeoutMilliseconds);
    const signals = [deadline, stopping.signal, ...(lockSignal ? [lockSignal] : [])];
    const run: Run = {
      signal: AbortSignal.any(signals),
      logger: runLogger,
      jobId: job.id ?? '',
      requestIds: parsed.requestIds,
      start: job.attemptsStarted,
    };
    try {
      const outcome = await untilAborted(handlerOf(job)(parsed.payload, run), run.signal);
      runLogger.debug({ outcome: outcome.kind, ms: elapsed(started) }, 'job ended');
      return await conclude(job, token, outcome);
    } catch (error) {
      if (isOurs(error)) throw error;
      if (stopping.signal.aborted) return await leaveToOthers(job, token, runLogger);
      if (isOutage(error)) return await postponeForOutage(job, token, runLogger, error);
      runLogger.warn({ err: error, ms: elapsed(started) }, 'job failed');
      throw error;
    }
  }

  async function conclude(job: Job, token: string | undefined, outcome: Outcome): Promise<unknown> {
    switch (outcome.kind) {
      case 'done':
        return outcome.result ?? null;
      case 'postponed':
        await job.moveToDelayed(outcome.at, token);
        throw new DelayedError(outcome.reason);
      case 'throttled':
        await worker.rateLimit(outcome.milliseconds);
        throw new RateLimitError();
      case 'cancelled':
        return { cancelled: outcome.reason };
      case 'dead':
        throw new UnrecoverableError(outcome.reason);
    }
  }

  /** The job waits a moment, and the worker takes no other one before the stores answer: they would all end the same. */
  async function postponeForOutage(
    job: Job,
    token: string | undefined,
    runLogger: Logger,
    error: unknown,
  ): Promise<never> {
    runLogger.warn({ err: error }, 'a store is away, job postponed');
    if (!waitingOutOutage) void waitOut();
    await job.moveToDelayed(Date.now() + OUTAGE_DELAY_MILLISECONDS, token);
    throw new DelayedError('a store is away');
  }

  async function leaveToOthers(job: Job, token: string | undefined, runLogger: Logger): Promise<never> {
    runLogger.info('the worker stops before the job is done, job left to another one');
    await job.moveToDelayed(Date.now(), token);
    throw new DelayedError('the worker is stopping');
  }

  async function waitOut(): Promise<void> {
    waitingOutOutage = true;
    await worker.pause(true);
    await dependencies.untilStoresAnswer(stopping.signal).catch(() => undefined);
    waitingOutOutage = false;
    if (!stopping.signal.aborted) worker.resume();
  }

  function contractOf(job: Job): JobContract {
    const contract = queue.jobs[job.name];
    if (!contract) throw new UnrecoverableError(`The queue ${queue.name} has no job named ${job.name}`);
    return contract;
  }

  function handlerOf(job: Job): (payload: unknown, run: Run) => Promise<Outcome> {
    const handler: unknown = Reflect.get(handlers, job.name);
    if (!isHandler(handler)) throw new UnrecoverableError(`No worker knows the job ${job.name}`);
    return handler;
  }

  function delayAfter(failures: number, job: Pick<Job, 'name'> | undefined): number {
    const contract = job && queue.jobs[job.name];
    return contract ? backoffDelay(contract.backoff, failures) : OUTAGE_DELAY_MILLISECONDS;
  }

  function reportDeadLetter(job: Job | undefined, error: Error): void {
    if (!job?.finishedOn) return;
    logger.error(
      { job: job.id, name: job.name, attempt: job.attemptsMade, reason: error.message },
      'dead letter',
    );
  }

  return {
    queue: queue.name,
    async drain(timeoutMilliseconds) {
      const patience = setTimeout(
        () => stopping.abort(new Error('The worker is stopping')),
        timeoutMilliseconds,
      );
      await worker.close();
      clearTimeout(patience);
      stopping.abort();
    },
  };
}

/** Poison (data that is not an envelope, a payload that is not the contract's) can never succeed: dead at once. */
function parse(job: Job, contract: JobContract): { payload: unknown; requestIds: readonly string[] } {
  const outer = envelope.safeParse(job.data);
  if (!outer.success) throw new UnrecoverableError(`Not a job of ours: ${z.prettifyError(outer.error)}`);
  const inner = contract.payload.safeParse(outer.data.payload);
  if (!inner.success)
    throw new UnrecoverableError(`The payload is not valid: ${z.prettifyError(inner.error)}`);
  return { payload: inner.data, requestIds: outer.data.request_ids };
}

/** A handler that ignores its signal must not hold the slot: the run ends with the signal, and the effect is idempotent. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function isHandler(value: unknown): value is (payload: unknown, run: Run) => Promise<Outcome> {
  return typeof value === 'function';
}

/** Errors that carry an outcome to BullMQ. */
function isOurs(error: unknown): boolean {
  return (
    error instanceof DelayedError || error instanceof RateLimitError || error instanceof UnrecoverableError
  );
}

function loggedRequestIds(requestIds: readonly string[]): string | readonly string[] | undefined {
  return requestIds.length > 1 ? requestIds : requestIds[0];
}

function elapsed(started: number): number {
  return Math.round(performance.now() - started);
}
