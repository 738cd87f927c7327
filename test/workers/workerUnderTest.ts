import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { z } from 'zod';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { queuePrefix } from '../../src/producers/queues.ts';
import { defineJob, defineQueue } from '../../src/queues/defineQueue.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import type { Handlers } from '../../src/workers/handlers.ts';
import { type RunningWorker, startWorker } from '../../src/workers/startWorker.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const payload = z.object({ number: z.int() });
const backoff = { firstMilliseconds: 20, capMilliseconds: 60, jitter: 0.5 };

/** A queue of the tests: three attempts, and a job that may take a quarter of a second. */
export const probeQueue = defineQueue({
  name: 'probe',
  family: 'tests',
  jobs: {
    probe: defineJob({ payload, attempts: 3, backoff, timeoutMilliseconds: 30_000 }),
    brief: defineJob({ payload, attempts: 2, backoff, timeoutMilliseconds: 250 }),
  },
  concurrency: 4,
  keepCompleted: { ageSeconds: 3_600, count: 1_000 },
  keepDead: 'all',
});

export type ProbeHandlers = Handlers<typeof probeQueue>;
type ProbeJob = 'probe' | 'brief';

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly job?: string;
  readonly queue?: string;
  readonly attempt?: number;
  readonly request_id?: string | string[];
}

export interface Workbench {
  readonly redis: Redis;
  readonly queue: Queue;
  readonly prefix: string;
  /** Every log line of the workers so far. */
  readonly lines: readonly LogLine[];
  start(handlers: Partial<ProbeHandlers>, untilStoresAnswer?: () => Promise<void>): RunningWorker;
  add(
    name: ProbeJob,
    options?: { readonly requestIds?: string[]; readonly priority?: number },
  ): Promise<string>;
  /** Puts any data under any name, past the contract. */
  addRaw(name: string, data: unknown): Promise<string>;
  /** The job once it stands in that state. */
  inState(id: string, state: string): Promise<Awaited<ReturnType<Queue['getJob']>>>;
  remove(): Promise<void>;
}

/** A queue with a prefix of its own on the Redis of the run or on a given one, and workers that log into memory. */
export function openWorkbench(redisUrl = String(process.env.REDIS_URL)): Workbench {
  const prefix = queuePrefix(uniqueName('worker'), probeQueue.name);
  const lines: LogLine[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const queue = new Queue(probeQueue.name, { connection: redis, prefix });
  queue.on('error', () => undefined);
  const running: RunningWorker[] = [];
  const connections: Redis[] = [];

  return {
    redis,
    queue,
    prefix,
    lines,
    start(handlers, untilStoresAnswer = () => Promise.resolve()) {
      const connection = connectRedis(redisUrl, 'worker', logger);
      connections.push(connection);
      const unexpected = () => Promise.reject(new Error('This test has no such job'));
      const worker = startWorker(
        probeQueue,
        { probe: unexpected, brief: unexpected, ...handlers },
        { redis: connection, prefix, logger, untilStoresAnswer },
      );
      running.push(worker);
      return worker;
    },
    async add(name, { requestIds = [], priority = 0 } = {}) {
      const data = { payload: { number: 1 }, request_ids: requestIds };
      const job = await queue.add(name, data, { ...jobOptions(probeQueue, name), priority });
      return String(job.id);
    },
    async addRaw(name, data) {
      const job = await queue.add(name, data, jobOptions(probeQueue, 'probe'));
      return String(job.id);
    },
    inState: (id, state) =>
      waitFor(`job ${id} is ${state}`, async () => {
        const reached = (await queue.getJobState(id)) === state;
        return reached ? queue.getJob(id) : undefined;
      }),
    async remove() {
      await Promise.all(running.map((worker) => worker.drain(100)));
      for (const connection of connections) connection.disconnect();
      await queue.close();
      for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
        if (keys.length > 0) await redis.unlink(...keys);
      }
      redis.disconnect();
    },
  };
}
