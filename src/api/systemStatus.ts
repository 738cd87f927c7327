import { randomUUID } from 'node:crypto';
import { mongo } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { isOutage, withRedis } from '../runtime/outage.ts';
import { type QueueStatus, readQueueStatus } from '../runtime/queueStatus.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from './deadline.ts';
import type { ApiDependencies } from './dependencies.ts';

/** One thing that was tried, and how it went. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

const FRESH_MILLISECONDS = 1_000;
/** A queue whose next job has been the same for so long, with nobody working, does not move. */
const STUCK_MILLISECONDS = 30_000;
const PROBE_LIFE_MILLISECONDS = 60_000;
/** As long as a transaction that stores some reports. */
const PROBE_PADDING = '.'.repeat(4_096);

/**
 * How the system is, by trying it. Every answer is shared for a second, so that any number of callers costs one look.
 */
export class SystemStatus {
  readonly #dependencies: ApiDependencies;
  readonly #progress = new Map<string, { readonly nextId: string; readonly since: number }>();
  /** Each process writes a probe of its own, so that two of them do not read each other's. */
  readonly #probeId = randomUUID();

  /** The state of every queue of the registry. Throws ServiceUnavailableError when Redis is away. */
  readonly queues = shared(() => this.#readQueues());

  /** Redis, MongoDB and the queues, each tried now or within the last second. Never throws. */
  readonly checks = shared(() => this.#runChecks());

  constructor(dependencies: ApiDependencies) {
    this.#dependencies = dependencies;
  }

  #readQueues(): Promise<readonly QueueStatus[]> {
    const reading = Promise.all(this.#dependencies.queues.all().map(readQueueStatus));
    return withinDeadline(ANSWER_MILLISECONDS, 'Redis', reading);
  }

  async #runChecks(): Promise<readonly Check[]> {
    const [redis, mongo, queues] = await Promise.all([
      attempt('redis', () => this.#probeRedis()),
      attempt('mongodb', () => this.#probeMongo()),
      this.#checkQueues(),
    ]);
    return [redis, mongo, ...queues];
  }

  async #probeRedis(): Promise<void> {
    const { redis, environment } = this.#dependencies;
    const key = `${environment.REDIS_PREFIX}:probe:${this.#probeId}`;
    const value = String(Date.now());
    await withRedis(() => redis.set(key, value, 'PX', PROBE_LIFE_MILLISECONDS));
    const read = await withRedis(() => redis.get(key));
    if (read !== value) throw new ProbeMismatchError();
  }

  async #probeMongo(): Promise<void> {
    const probes = usable(this.#dependencies.mongo).collection<{ _id: string; at: Date; padding: string }>(
      'probes',
    );
    // Of its own each time: a store that is full still takes what makes nothing longer.
    const probe = { _id: randomUUID(), at: new Date(), padding: PROBE_PADDING };
    await probes.insertOne(probe);
    const stored = await probes.findOneAndDelete({ _id: probe._id });
    if (stored?.at.getTime() !== probe.at.getTime()) throw new ProbeMismatchError();
    if (!this.#dependencies.isDataKnown()) throw new UnknownDataError();
  }

  async #checkQueues(): Promise<readonly Check[]> {
    try {
      return (await this.queues()).map((queue) => this.#checkProgress(queue));
    } catch {
      return this.#dependencies.queues.all().map((queue) => ({
        name: `queue ${queue.name}`,
        ok: false,
        detail: 'could not be read',
      }));
    }
  }

  #checkProgress(queue: QueueStatus): Check {
    const name = `queue ${queue.name}`;
    const counts = `${queue.waiting} waiting, ${queue.active} active, ${queue.workers} workers`;
    const now = Date.now();
    if (queue.oldestWaitingId === undefined) {
      this.#progress.delete(queue.name);
      return { name, ok: true, detail: queue.paused ? `paused, ${counts}` : counts };
    }
    const seen = this.#progress.get(queue.name);
    const since = seen?.nextId === queue.oldestWaitingId ? seen.since : now;
    this.#progress.set(queue.name, { nextId: queue.oldestWaitingId, since });
    const stuck = queue.active === 0 && now - since > STUCK_MILLISECONDS;
    return {
      name,
      ok: !stuck,
      detail: stuck ? `${counts}, no progress for ${Math.round((now - since) / 1000)} s` : counts,
    };
  }
}

/** The store answered, but not with what had just been written to it. */
class ProbeMismatchError extends Error {
  override name = 'ProbeMismatchError';

  constructor() {
    super('what was written could not be read back');
  }
}

/** The store answers, but this process has not looked yet whether it can work with what is in it. */
class UnknownDataError extends Error {
  override name = 'UnknownDataError';

  constructor() {
    super('the stored data is not looked at yet');
  }
}

async function attempt(name: string, probe: () => Promise<void>): Promise<Check> {
  const startedAt = performance.now();
  try {
    await withinDeadline(ANSWER_MILLISECONDS, name, probe());
    return {
      name,
      ok: true,
      detail: `written and read back in ${Math.ceil(performance.now() - startedAt)} ms`,
    };
  } catch (error) {
    if (error instanceof ProbeMismatchError || error instanceof UnknownDataError)
      return { name, ok: false, detail: error.message };
    return {
      name,
      ok: false,
      detail:
        isOutage(error) && !(error instanceof mongo.MongoServerError)
          ? 'does not answer'
          : 'refuses to work; the log says why',
    };
  }
}

/** Lets all callers within a second share one run, also one that is under way. A failure is not kept. */
function shared<T>(run: () => Promise<T>): () => Promise<T> {
  let latest: { readonly at: number; readonly result: Promise<T> } | undefined;
  return () => {
    const now = performance.now();
    if (latest === undefined || now - latest.at > FRESH_MILLISECONDS) {
      const result = run();
      latest = { at: now, result };
      result.catch(() => {
        if (latest?.result === result) latest = undefined;
      });
    }
    return latest.result;
  };
}
