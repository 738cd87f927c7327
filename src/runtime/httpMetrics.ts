import { Histogram, type Registry } from 'prom-client';

/** The requests of one method, route and class of status. */
interface Tally {
  readonly labels: { readonly method: string; readonly route: string; readonly status: string };
  /** Requests per bucket, the last for those above every bound. */
  readonly buckets: number[];
  count: number;
  seconds: number;
}

const NAME = 'millrace_http_request_duration_seconds';
const HELP = 'HTTP requests by method, route pattern and class of status, and how long they took';
const BOUNDS_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15];
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const NO_ROUTE = 'none';

/**
 * Counts answered requests by method, route and class of status. The labels are route patterns, never paths, so their number
 * is bounded. It counts by itself and prom-client only prints it: its own `observe` costs a request several microseconds.
 */
export class HttpMetrics extends Histogram<'method' | 'route' | 'status'> {
  readonly #tallies = new Map<string, Tally[]>();

  constructor(registry: Registry) {
    super({
      name: NAME,
      help: HELP,
      labelNames: ['method', 'route', 'status'],
      buckets: [...BOUNDS_SECONDS],
      registers: [registry],
    });
  }

  /** @param route - pattern of the route, nothing when none matched */
  count(method: string, route: string | undefined, status: number, seconds: number): void {
    const tally = this.#tallyOf(method, route ?? NO_ROUTE, Math.floor(status / 100));
    let bucket = 0;
    while (bucket < BOUNDS_SECONDS.length && seconds > (BOUNDS_SECONDS[bucket] ?? 0)) bucket += 1;
    tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1;
    tally.count += 1;
    tally.seconds += seconds;
  }

  #tallyOf(method: string, route: string, statusClass: number): Tally {
    let ofRoute = this.#tallies.get(route);
    if (!ofRoute) {
      ofRoute = [];
      this.#tallies.set(route, ofRoute);
    }
    const known = METHODS.has(method) ? method : 'other';
    const status = `${statusClass}xx`;
    for (const tally of ofRoute) {
      if (tally.labels.method === known && tally.labels.status === status) return tally;
    }
    const tally: Tally = {
      labels: { method: known, route, status },
      buckets: new Array<number>(BOUNDS_SECONDS.length + 1).fill(0),
      count: 0,
      seconds: 0,
    };
    ofRoute.push(tally);
    return tally;
  }

  /** What prom-client's registry prints and what its own `get` reads; its types leave it out. */
  async getForPromString() {
    return {
      name: NAME,
      help: HELP,
      type: 'histogram',
      aggregator: 'sum',
      values: [...this.#tallies.values()].flat().flatMap(samplesOf),
    };
  }
}

/** One printed line. */
interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Tally['labels'];
  readonly value: number;
}

function samplesOf({ labels: sharedLabels, buckets, count, seconds }: Tally): Sample[] {
  let reached = 0;
  const upToBound = BOUNDS_SECONDS.map((le, index) => {
    reached += buckets[index] ?? 0;
    return { metricName: `${NAME}_bucket`, labels: { le }, sharedLabels, value: reached };
  });
  return [
    ...upToBound,
    { metricName: `${NAME}_bucket`, labels: { le: '+Inf' }, sharedLabels, value: count },
    { metricName: `${NAME}_sum`, labels: {}, sharedLabels, value: seconds },
    { metricName: `${NAME}_count`, labels: {}, sharedLabels, value: count },
  ];
}
