import type { QueueContract } from './defineQueue.ts';
import { usageQueue, usageRelayQueue, usageUpkeepQueue } from './usage.ts';

/** Every queue there is. Bull Board, the workers, the metrics and the contract tests read it. */
export const queueContracts: readonly QueueContract[] = [usageQueue, usageRelayQueue, usageUpkeepQueue];

/** The domains that have queues, in the order of the registry; a worker process can serve one of them. */
export const queueFamilies: readonly string[] = [...new Set(queueContracts.map((queue) => queue.family))];
