/** The usual way: one job for each event, and for each job one document. The argument is the concurrency. */
import { Worker } from 'bullmq';
import { readEnvironment } from '../../config/env.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo, usable } from '../../src/runtime/mongo.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { untilStoresAnswer } from '../../src/runtime/untilStoresAnswer.ts';
import { NAIVE_COLLECTION, NAIVE_QUEUE } from './naiveQueue.ts';

const environment = readEnvironment();
const logger = createLogger('worker', environment.LOG_LEVEL);
const redis = connectRedis(environment.REDIS_URL, 'worker', logger);
const connection = connectMongo(environment.MONGODB_URL, 'worker', logger);
await untilStoresAnswer(redis, connection, new AbortController().signal);

const worker = new Worker<UsageEvent>(
  NAIVE_QUEUE.name,
  async (job) => {
    const { record_id, ...row } = job.data;
    await usable(connection)
      .collection<{ _id: number }>(NAIVE_COLLECTION)
      .insertOne({ _id: record_id, ...row });
  },
  { connection: redis, prefix: NAIVE_QUEUE.prefix, concurrency: Number(process.argv[2]) },
);
worker.on('error', (error) => logger.error({ err: error }, 'worker'));
worker.on('failed', (_job, error) => logger.error({ err: error }, 'job failed'));
process.on('SIGTERM', () => process.exit(0));
