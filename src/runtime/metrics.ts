import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { QueueStatus } from './queueStatus.ts';

/** A registry of its own with the metrics of the process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/**
 * Registers what stands in the queues. It is read when the metrics are scraped.
 *
 * @param read - the status of every queue; a failure leaves the queues out of that scrape
 */
export function observeQueues(registry: Registry, read: () => Promise<readonly QueueStatus[]>): void {
  const oldest = new Gauge({
    name: 'millrace_queue_oldest_waiting_seconds',
    help: 'Age of the job that has waited longest',
    labelNames: ['queue'],
    registers: [registry],
  });
  new Gauge({
    name: 'millrace_queue_jobs',
    help: 'Jobs by queue and state',
    labelNames: ['queue', 'state'],
    registers: [registry],
    async collect() {
      this.reset();
      oldest.reset();
      for (const status of await read().catch(() => [])) {
        for (const state of ['waiting', 'active', 'delayed', 'failed'] as const) {
          this.set({ queue: status.name, state }, status[state]);
        }
        oldest.set({ queue: status.name }, status.oldestWaitingMilliseconds / 1000);
      }
    },
  });
}

/**
 * Registers the paid calls of icons that run or whose outcome is unknown. They are counted when the metrics are scraped.
 *
 * @param read - calls by outcome; a failure leaves them out of that scrape
 */
export function observeIconCalls(
  registry: Registry,
  read: () => Promise<Readonly<Record<string, number>>>,
): void {
  new Gauge({
    name: 'millrace_icon_calls',
    help: 'Paid calls of the image provider that run (pending) or were perhaps paid for nothing (unknown)',
    labelNames: ['outcome'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const [outcome, calls] of Object.entries(await read().catch(() => ({}))))
        this.set({ outcome }, calls);
    },
  });
}

/**
 * Registers how long the making of icons still rests, because the image provider asked for it. It is read when the metrics are
 * scraped.
 *
 * @param read - milliseconds by model; a failure leaves them out of that scrape
 */
export function observeIconRests(registry: Registry, read: () => Promise<ReadonlyMap<string, number>>): void {
  new Gauge({
    name: 'millrace_icon_rest_seconds',
    help: 'For how long no call of the image provider begins, because its last 429 asked for that',
    labelNames: ['model'],
    registers: [registry],
    async collect() {
      this.reset();
      const rests = await read().catch(() => new Map<string, number>());
      for (const [model, milliseconds] of rests) this.set({ model }, milliseconds / 1_000);
    },
  });
}
