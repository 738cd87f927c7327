import { setInterval as every } from 'node:timers/promises';
import { decodeRangeMember, pendingKeys } from '../../src/models/usagePending.ts';
import { offer } from '../load/openLoop.ts';
import type { Measurement, Report } from '../report/report.ts';
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
  await stage.emptyRedis();
  const web = await startWeb(stage);
  await dropStored(stage);
  const worker = await startWorker(stage);
  try {
    const load = {
      url: web.url,
      rate,
      leadInSeconds: LEAD_IN_SECONDS,
      seconds: pace.backlogSeconds,
      connections: CONNECTIONS,
    };
    const requests = encodedBatches(stage.adminApiKey, 8, EVENTS_PER_REQUEST);
    const { outcome, samples } = await watchedDuring(stage, offer({ ...load, requests }));
    const { latencies, sent, refused } = outcome;
    addRow(report, 'offered', 'events/s', offered);
    addRow(report, 'batches refused', '', refused);
    const p99 = percentile(latencies, 0.99);
    addRow(report, `p99 of the acknowledgement of a batch of ${EVENTS_PER_REQUEST}`, 'ms', p99);
    const pending = samples.slice((LEAD_IN_SECONDS * 1_000) / SAMPLE_MILLISECONDS);
    const growth = addGrowth(report, pending, pace.backlogSeconds);
    report.compareWith('growth / offered', growth, offered, { atMost: FLAT });

    await waitUntil('the rest is stored', 60, async () => (await pendingEvents(stage)) === 0);
    await requireStored(stage, (sent - refused) * EVENTS_PER_REQUEST);
  } finally {
    await worker.stop();
    await web.stop();
    await stage.emptyRedis();
  }
}

/** From the first third to the last; between their middles lie two thirds of the time. */
function addGrowth(report: Report, pending: readonly number[], seconds: number): Measurement {
  const third = Math.floor(pending.length / 3);
  const first = mean(pending.slice(0, third));
  const last = mean(pending.slice(-third));
  addRow(report, 'pending, mean of the first third', 'events', first);
  addRow(report, 'pending, mean of the last third', 'events', last);
  return addRow(report, 'growth of what is pending', 'events/s', (last - first) / ((seconds * 2) / 3));
}

function addRow(report: Report, name: string, unit: string, value: number): Measurement {
  const measurement = report.measurement(SECTION, name, unit);
  report.add(measurement, value);
  return measurement;
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

/** By the runs of records in the product's pending index. */
async function pendingEvents({ redis, usage }: Stage): Promise<number> {
  const members = await redis.zrange(pendingKeys(String(usage.opts.prefix)).ranges, '0', '-1');
  return members.map(decodeRangeMember).reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
