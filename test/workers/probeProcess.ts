/**
 * A worker process of the tests: one job that runs until the key `release` appears, one that kills its process, one that
 * stands still (its event loop does nothing) until its file is there. Each start of a job is counted in Redis.
 */
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { shutdownOnSignals } from '../../src/runtime/shutdown.ts';
import { done } from '../../src/workers/outcome.ts';
import { startWorker } from '../../src/workers/startWorker.ts';
import { processQueue } from './processQueue.ts';

const [redisUrl, prefix] = process.argv.slice(2);
if (!redisUrl || !prefix) throw new Error('usage: probeProcess.ts <redis url> <prefix>');

const logger = createLogger('probe', 'debug');
const redis = connectRedis(redisUrl, 'worker', logger);

const worker = startWorker(
  processQueue,
  {
    async hold(_payload, run) {
      await redis.rpush(`${prefix}:starts:${run.jobId}`, process.pid);
      while ((await redis.get(`${prefix}:release`)) === null)
        await wait(50, undefined, { signal: run.signal });
      return { kind: 'done', result: process.pid };
    },
    crash: () => process.kill(process.pid, 'SIGKILL') && new Promise(() => undefined),
    async 'stand-still'({ until }, run) {
      const start = await redis.rpush(`${prefix}:starts:${run.jobId}`, process.pid);
      const moment = new Int32Array(new SharedArrayBuffer(4));
      while (start === 1 && !existsSync(until)) Atomics.wait(moment, 0, 0, 50);
      await wait(500, undefined, { signal: run.signal });
      return done;
    },
  },
  {
    redis,
    prefix,
    logger,
    untilStoresAnswer: async () => {
      await redis.ping();
    },
  },
);
shutdownOnSignals(logger, 6, [
  { name: 'jobs', run: () => worker.drain(3_000) },
  { name: 'redis', run: () => redis.disconnect() },
]);
logger.info('The probe takes jobs');
