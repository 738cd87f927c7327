/**
 * The one runner of jobs. It reads a job as its contract says, runs the handler under the contract's time limit, and is
 * the only place that turns outcomes into what BullMQ understands.
 *
 * An attempt is burnt by an error of the handler and by a time-out. It is not burnt by an outage of a store, by
 * `postponed` and `throttled`, by a drain, or by a crash of the worker; crashes are counted on their own.
 */

import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { DelayedError, type Job, RateLimitError, UnrecoverableError, WaitingError } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { QueueContract } from '../queues/defineQueue.ts';
import { endsWithin } from '../runtime/endsWithin.ts';
import { isOutage } from '../runtime/outage.ts';
import { ActiveRuns, JobTimeoutError, LockLostError, WorkerStoppingError } from './activeRuns.ts';
import { backoffDelay } from './backoff.ts';
import type { Handlers, Run } from './handlers.ts';
import { OUTAGE_DELAY_MILLISECONDS, OutageWorker } from './outageWorker.ts';
import type { JsonValue, Outcome } from './outcome.ts';
import { contractOf, type ReadableJob, readJob, requestIdsOf } from './readJob.ts';

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
  /**
   * Takes no more jobs and waits for the running ones; when the time is over they are aborted and left to others. Returns
   * a second after that time at the latest, also when Redis is away.
   *
   * @param longestMilliseconds - the time of those that see something through
   * @defaultValue timeoutMilliseconds
   */
  drain(timeoutMilliseconds: number, longestMilliseconds?: number): Promise<void>;
}

/**
 * A killed worker's job is taken up again when its lock has run out and a second look finds it without one. A look may be
 * put off by one that the dead worker has just made: lock and looks together stay below 15 seconds.
 */
const LOCK_MILLISECONDS = 8_000;
const STALLED_CHECK_MILLISECONDS = 2_000;
/**
 * Starts that may end in a crash. A job that takes its worker down each time ends as a dead letter; a run that is killed
 * in a bad week of deployments does not. BullMQ's own limit of starts counts every postponement and throttling as well,
 * and would refuse an operator's retry.
 */
const MOST_CRASHES = 20;
const LEAVING_MILLISECONDS = 1_000;
/** A worker that rests again within this time after a rest has not seen the end of the outage. */
const STEADY_MILLISECONDS = 10_000;
/** How long BullMQ waits before it repeats a command that failed with the connection. */
const RETRY_MILLISECONDS = 1_000;

/** What became of a run: what the handler says, or what kept it from saying anything. */
type RunEnd =
  | Outcome
  | { readonly kind: 'failed' | 'outage' | 'lock-lost'; readonly error: Error }
  | { readonly kind: 'left' };

/** Starts taking jobs of the queue. Handlers are looked up by the job's name. */
export function startWorker<Queue extends QueueContract>(
  queue: Queue,
  handlers: Handlers<Queue>,
  dependencies: WorkerDependencies,
): RunningWorker {
  const { redis } = dependencies;
  const logger = dependencies.logger.child({ queue: queue.name });
  const runs = new ActiveRuns();
  const draining = new AbortController();
  let waitingOutOutage = false;
  let untilSteady: NodeJS.Timeout | undefined;

  const worker = new OutageWorker(queue.name, (job, token) => runJob(job, token), {
    connection: redis,
    prefix: dependencies.prefix,
    concurrency: queue.concurrency,
    lockDuration: LOCK_MILLISECONDS,
    stalledInterval: STALLED_CHECK_MILLISECONDS,
    maxStalledCount: MOST_CRASHES,
    runRetryDelay: RETRY_MILLISECONDS,
    settings: { backoffStrategy: (failures, _type, _error, job) => delayAfter(failures, job) },
  });
  worker.on('error', (error) => {
    // While Redis is away every command fails, and the connection itself says so once.
    if (redis.status !== 'ready' || waitingOutOutage) logger.debug({ err: error }, 'worker');
    // One that is there and refuses is asked again at once by BullMQ, thousands of times a second.
    else if (isOutage(error)) void waitOut(error);
    else logger.warn({ err: error }, 'worker');
  });
  worker.on('lockRenewalFailed', (jobIds) => {
    for (const jobId of jobIds) runs.abort(jobId, new LockLostError('The lock of the job was lost'));
  });
  worker.on('failed', (job, error) => {
    if (job?.finishedOn) loggerOf(job, job.attemptsMade).error({ reason: error.message }, 'dead letter');
  });

  async function runJob(job: Job, token?: string): Promise<JsonValue> {
    const started = performance.now();
    const runLogger = loggerOf(job, job.attemptsMade + 1);
    const read = readJob(queue, job);
    const end = 'kind' in read ? read : await runReadable(job, read, runLogger);
    const line = { outcome: end.kind, ms: Math.round(performance.now() - started) };
    if ('error' in end) runLogger.warn({ ...line, err: end.error }, 'job did not end');
    else runLogger.debug(line, 'job ended');
    return conclude(job, token, end);
  }

  async function runReadable(job: Job, read: ReadableJob, runLogger: Logger): Promise<RunEnd> {
    const jobId = job.id ?? '';
    if (draining.signal.aborted) return { kind: 'left' };
    if (runs.has(jobId)) return giveWay(jobId);
    try {
      return await runs.run(jobId, read.contract.timeoutMilliseconds, async (signal) => {
        const run: Run = {
          signal,
          logger: runLogger,
          jobId,
          requestIds: read.requestIds,
          attempt: job.attemptsMade + 1,
          async progress(progress) {
            signal.throwIfAborted();
            await job.updateProgress(progress);
          },
          async seeThrough(work) {
            signal.throwIfAborted();
            draining.signal.throwIfAborted();
            return runs.seeThrough(jobId, work);
          },
        };
        return handlerOf(job.name)(read.payload, run);
      });
    } catch (error) {
      return endOf(error);
    }
  }

  async function endOf(error: unknown): Promise<RunEnd> {
    if (error instanceof WorkerStoppingError) return { kind: 'left' };
    if (error instanceof LockLostError) return { kind: 'lock-lost', error };
    // A store that hangs lets jobs run into their time-outs, which is not their fault.
    const outage = error instanceof JobTimeoutError ? !(await storesAnswer()) : isOutage(error);
    return { kind: outage ? 'outage' : 'failed', error: toError(error) };
  }

  /**
   * This process stood still for so long that it lost the job and now took it up a second time. BullMQ renews the lock of
   * one run of a job, so the older one has to be gone before the next begins.
   */
  function giveWay(jobId: string): RunEnd {
    runs.abort(jobId, new LockLostError('The lock of the job was lost'));
    return {
      kind: 'postponed',
      at: Date.now() + OUTAGE_DELAY_MILLISECONDS,
      reason: 'an older run is ending',
    };
  }

  /** Tells BullMQ. When the lock is lost each of these calls fails and changes nothing: the job is another run's by then. */
  async function conclude(job: Job, token: string | undefined, end: RunEnd): Promise<JsonValue> {
    switch (end.kind) {
      case 'done':
        return end.result ?? null;
      case 'cancelled':
        return { cancelled: end.reason };
      case 'postponed':
        await job.moveToDelayed(end.at, token);
        throw new DelayedError(end.reason);
      case 'outage':
        if (!waitingOutOutage) void waitOut(end.error);
        await job.moveToDelayed(Date.now() + OUTAGE_DELAY_MILLISECONDS, token);
        throw new DelayedError('a store is away');
      case 'left':
        await job.moveToWait(token);
        throw new WaitingError('the worker is stopping');
      case 'throttled':
        await worker.rateLimit(end.milliseconds);
        throw new RateLimitError();
      case 'dead':
        throw new UnrecoverableError(end.reason);
      case 'failed':
      case 'lock-lost':
        throw end.error;
    }
  }

  /** Takes no job while a store is away: they would all end the same. Says so once for each outage. */
  async function waitOut(error: Error): Promise<void> {
    waitingOutOutage = true;
    const level = untilSteady === undefined ? 'warn' : 'debug';
    clearTimeout(untilSteady);
    logger[level]({ err: error }, 'A store is away, the worker rests');
    try {
      await worker.pause(true);
      // A store may answer and still not serve; a moment between two tries keeps that from becoming a busy loop.
      await wait(OUTAGE_DELAY_MILLISECONDS, undefined, { signal: draining.signal });
      await dependencies.untilStoresAnswer(draining.signal);
      await worker.resume();
      untilSteady = setTimeout(() => {
        untilSteady = undefined;
        logger.info('The stores serve, the worker goes on');
      }, STEADY_MILLISECONDS).unref();
    } catch (error) {
      // The next job that meets the outage starts over.
      if (!draining.signal.aborted) logger.error({ err: error }, 'The worker could not rest');
    } finally {
      waitingOutOutage = false;
    }
  }

  async function storesAnswer(): Promise<boolean> {
    const asking = new AbortController();
    try {
      return await endsWithin(OUTAGE_DELAY_MILLISECONDS, dependencies.untilStoresAnswer(asking.signal));
    } finally {
      asking.abort();
    }
  }

  function handlerOf(name: string): (payload: unknown, run: Run) => Promise<Outcome> {
    const handler: unknown = Reflect.get(handlers, name);
    if (!isHandler(handler)) throw new UnrecoverableError(`No worker knows the job ${name}`);
    return handler;
  }

  function delayAfter(failures: number, job: Pick<Job, 'name'> | undefined): number {
    const contract = job && contractOf(queue, job.name);
    return contract ? backoffDelay(contract.backoff, failures) : OUTAGE_DELAY_MILLISECONDS;
  }

  function loggerOf(job: Job, attempt: number): Logger {
    const requestIds = requestIdsOf(job);
    return logger.child({
      job: job.id,
      name: job.name,
      attempt,
      request_id: requestIds.length > 1 ? requestIds : requestIds[0],
    });
  }

  return {
    queue: queue.name,
    async drain(timeoutMilliseconds, longestMilliseconds = timeoutMilliseconds) {
      const stopping = new WorkerStoppingError('The worker is stopping');
      draining.abort(stopping);
      const closed = worker.close();
      const ended = Promise.all([closed, runs.untilSeenThrough()]);
      if (await endsWithin(timeoutMilliseconds, ended)) return;
      const left = longestMilliseconds - timeoutMilliseconds;
      const jobs = left > 0 ? runs.abortInterruptible(stopping) : 0;
      if (jobs > 0) {
        logger.info({ jobs, seconds: left / 1_000 }, 'Jobs that must not be cut off are waited for');
        if (await endsWithin(left, ended)) return;
      }
      runs.abortAll(stopping);
      if (await endsWithin(LEAVING_MILLISECONDS, closed)) return;
      logger.warn('Redis does not answer: the running jobs are taken over when their locks have run out');
    },
  };
}

function isHandler(value: unknown): value is (payload: unknown, run: Run) => Promise<Outcome> {
  return typeof value === 'function';
}

/** BullMQ reads the message of what was thrown, whatever it is. */
function toError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`Not an error was thrown: ${inspect(thrown, { depth: 1 })}`);
}
