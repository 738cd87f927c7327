/** The usual way: each request waits for a `queue.add` of its own. */
import { readEnvironment } from '../../config/env.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { NAIVE_QUEUE, openNaiveQueue } from './naiveQueue.ts';
import { servePlatform } from './platform.ts';
import { reportRoute } from './reportRoute.ts';

const environment = readEnvironment();
const redis = connectRedis(environment.REDIS_URL, 'producer', createLogger('web', environment.LOG_LEVEL));
const queue = openNaiveQueue(redis);

await servePlatform(
  reportRoute(environment.BUSINESS_TIME_ZONE, async (event, requestId) => {
    await queue.add(NAIVE_QUEUE.job, { ...event, request_id: requestId });
  }),
);
