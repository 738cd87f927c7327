import type { Connection } from 'mongoose';
import type { Environment } from '../../config/env.ts';
import { BusinessCalendar } from '../domain/time/businessCalendar.ts';
import { UsagePending } from '../models/usagePending.ts';
import { type OpenQueues, queuePrefix } from '../producers/queues.ts';
import type { QueueContract } from '../queues/defineQueue.ts';
import { usageQueue, usageRelayQueue } from '../queues/usage.ts';
import { type RunningWorker, startWorker, type WorkerDependencies } from './startWorker.ts';
import { createStoreReports } from './usage/storeReports.ts';

export interface WorkersDependencies extends Omit<WorkerDependencies, 'prefix'> {
  readonly environment: Environment;
  readonly connection: Connection;
  readonly queues: OpenQueues;
}

/** How to start the workers of one queue. */
export interface WorkerEntry {
  readonly queue: QueueContract;
  readonly start: () => RunningWorker;
}

/** Every queue with its handlers. */
export function workerEntries(dependencies: WorkersDependencies): WorkerEntry[] {
  const { environment, connection, queues, redis } = dependencies;
  const calendar = new BusinessCalendar(environment.BUSINESS_TIME_ZONE);
  const pending = new UsagePending(redis, queuePrefix(environment.REDIS_PREFIX, usageQueue.name), calendar);
  const runner = (queue: QueueContract): WorkerDependencies => ({
    ...dependencies,
    prefix: queuePrefix(environment.REDIS_PREFIX, queue.name),
  });
  return [
    {
      queue: usageQueue,
      start: () =>
        startWorker(
          usageQueue,
          {
            'store-reports': createStoreReports({
              queue: queues.of(usageQueue),
              pending,
              connection,
              calendar,
              relayQueue: environment.USAGE_RELAY_URL ? queues.of(usageRelayQueue) : undefined,
            }),
          },
          runner(usageQueue),
        ),
    },
  ];
}
