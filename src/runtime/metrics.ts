import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { QueueStatus } from './queueStatus.ts';

/** Counts answered requests. Labels are route patterns, never paths, so their number is bounded. */
export interface HttpMetrics {
  /** @param route - pattern of the route, nothing when none matched */
  observe(method: string, route: string | undefined, status: number, seconds: number): void;
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const DURATION_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15];

/** A registry of its own with the metrics of the process. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Registers the count and the duration of requests by route and class of status. */
export function createHttpMetrics(registry: Registry): HttpMetrics {
  const requests = new Counter({
    name: 'millrace_http_requests_total',
    help: 'HTTP requests by method, route pattern and class of status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'millrace_http_request_duration_seconds',
    help: 'Time from the first look at a request to the end of its answer',
    labelNames: ['route'],
    buckets: DURATION_BUCKETS_SECONDS,
    registers: [registry],
  });
  return {
    observe(method, route, status, seconds) {
      const pattern = route ?? 'none';
      requests.inc({
        method: METHODS.has(method) ? method : 'other',
        route: pattern,
        status: `${Math.floor(status / 100)}xx`,
      });
      durations.observe({ route: pattern }, seconds);
    },
  };
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
