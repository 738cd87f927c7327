import { setInterval as every } from 'node:timers/promises';
import { offer } from '../load/openLoop.ts';
import { mean, percentile } from '../report/statistics.ts';
import { startWeb, startWorker } from '../stage/processes.ts';
import { encodedBatches } from '../stage/reports.ts';
import type { Stage } from '../stage/stage.ts';
import { waitUntil } from '../stage/waitUntil.ts';
import type { Section } from './section.ts';
import { dropStored, requireStored } from './stored.ts';

const SECTION = 'g backlog';
const SHARE_OF_DRAIN = 0.8;
const EVENTS_PER_REQUEST = 200;
const CONNECTIONS = 32;
const LEAD_IN_SECONDS = 3;
const SAMPLE_MILLISECONDS = 100;
/** Of the offered rate; more than this a second would be a backlog that grows without an end. */
const FLAT = 0.02;

/**
 * Offers events at a share of the drain rate while one worker drains, and watches what is pending.
 *
 * @param drainRate - events a second
 */
export async function measureBacklog({ stage, report, pace }: Section, drainRate: number): Promise<void> {
  const rate = Math.round((drainRate * SHARE_OF_DRAIN) / EVENTS_PER_REQUEST);
  const offered = rate * EVENTS_PER_REQUEST;
  report.announce(`g backlog: ${offered} events/s (80 % of the drain) with web and one worker`);
  await stage.redis.flushall();
  const web = await startWeb(stage);
  await dropStored(stage);
  const worker = await startWorker(stage);
  try {
    const seconds = LEAD_IN_SECONDS + pace.backlogSeconds;
    const load = { url: web.url, rate, seconds, connections: CONNECTIONS };
    const requests = encodedBatches(stage.adminApiKey, 8, EVENTS_PER_REQUEST);
    const { outcome, samples } = await watchedDuring(stage, offer({ ...load, requests }));
    const { latencies, refused } = outcome;
    const pending = samples.slice((LEAD_IN_SECONDS * 1_000) / SAMPLE_MILLISECONDS);
    const third = Math.floor(pending.length / 3);
    const first = mean(pending.slice(0, third));
    const last = mean(pending.slice(-third));
    const row = (name: string, unit: string, value: number) => {
      const measurement = report.measurement(SECTION, name, unit);
      report.add(measurement, value);
      return measurement;
    };
    row('offered', 'events/s', offered);
    row('batches refused', '', refused);
    row('p99 of the acknowledgement of a batch of 200', 'ms', percentile(latencies, 0.99));
    row('pending, mean of the first third', 'events', first);
    row('pending, mean of the last third', 'events', last);
    const growth = row(
      'growth of what is pending',
      'events/s',
      (last - first) / ((pace.backlogSeconds * 2) / 3),
    );
    report.compareWith('growth / offered', growth, offered, { atMost: FLAT });

    await waitUntil('the rest is stored', 60, async () => (await pendingEvents(stage)) === 0);
    await requireStored(stage, (latencies.length - refused) * EVENTS_PER_REQUEST);
  } finally {
    await worker.stop();
    await web.stop();
    await stage.redis.flushall();
  }
}

/** What is pending, sampled until the work ends. */
async function watchedDuring<T>(
  stage: Stage,
  work: Promise<T>,
): Promise<{ outcome: T; samples: readonly number[] }> {
  const watching = new AbortController();
  const [watched, worked] = await Promise.allSettled([
    watch(stage, watching.signal),
    work.finally(() => watching.abort()),
  ]);
  if (worked.status === 'rejected') throw worked.reason;
  if (watched.status === 'rejected') throw watched.reason;
  return { outcome: worked.value, samples: watched.value };
}

async function watch(stage: Stage, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = [];
  try {
    for await (const _ of every(SAMPLE_MILLISECONDS, undefined, { signal })) {
      samples.push(await pendingEvents(stage));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return samples;
}

/** The product lists the runs of pending records as `first-last@job`. */
async function pendingEvents({ redis, usage }: Stage): Promise<number> {
  const runs = await redis.zrange(`${usage.opts.prefix}:pending-records`, '0', '-1');
  return runs.reduce((sum, run) => {
    const [first, last] = run.slice(0, run.indexOf('@')).split('-');
    return sum + Number(last) - Number(first) + 1;
  }, 0);
}
