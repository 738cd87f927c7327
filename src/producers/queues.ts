import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { QueueContract } from '../queues/defineQueue.ts';
import { queueContracts } from '../queues/registry.ts';
import { ResumableQueue } from './resumableQueue.ts';

/** The queues of one process, on one connection. */
export interface OpenQueues {
  all(): readonly Queue[];
  /** The queue of that name, or nothing for a name that is not in the registry. */
  find(name: string): Queue | undefined;
  of(contract: QueueContract): ResumableQueue;
  close(): Promise<void>;
}

/**
 * Opens every queue of the registry for adding and looking at jobs.
 *
 * @param prefix - of the installation; the hash tag keeps all keys of one queue in one slot of a Redis Cluster
 */
export function openQueues(redis: Redis, prefix: string): OpenQueues {
  const queues = new Map(
    queueContracts.map((contract) => {
      const queue = new ResumableQueue(contract.name, redis, {
        ...connectionOptions(redis),
        prefix: prefixOf(prefix, contract),
      });
      // Failed commands reject where they are awaited, and the connection logs its own outages.
      queue.on('error', () => undefined);
      return [contract.name, queue];
    }),
  );
  return {
    all: () => [...queues.values()],
    find: (name) => queues.get(name),
    of: (contract) => {
      const queue = queues.get(contract.name);
      if (!queue) throw new Error(`The queue ${contract.name} is not in the registry`);
      return queue;
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/**
 * How BullMQ uses a connection. It would wait for the first time that it is ready, without end, and then ask for the
 * version of Redis, and fail for as long as the process lives when that is not answered. Whoever wants no command to
 * wait for Redis wants neither; the version only tells BullMQ a faster way to look for the state of a job.
 */
export function connectionOptions(redis: Redis) {
  const failsAtOnce = redis.options.enableOfflineQueue === false;
  return { connection: redis, skipWaitingForReady: failsAtOnce, skipVersionCheck: failsAtOnce };
}

/** The prefix of a queue's keys. */
export function prefixOf(prefix: string, contract: QueueContract): string {
  return queuePrefix(prefix, contract.flow ?? contract.name);
}

/** A different hash tag for each queue spreads them over the slots of a Redis Cluster. */
export function queuePrefix(prefix: string, queueName: string): string {
  return `{${prefix}:${queueName}}`;
}
