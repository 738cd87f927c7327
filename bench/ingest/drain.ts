import type { Queue } from 'bullmq';
import { sendAmount } from '../load/closedLoop.ts';
import { sendAll } from '../load/sendAll.ts';
import { NAIVE_COLLECTION, NAIVE_QUEUE, openNaiveQueue } from '../peers/naiveQueue.ts';
import type { Measurement, Report } from '../report/report.ts';
import { roundRobin } from '../report/roundRobin.ts';
import { type HttpProcess, startNaiveWorker, startWeb, startWorker } from '../stage/processes.ts';
import { acceptedEvents, encodedBatches, encodedReports } from '../stage/reports.ts';
import type { Stage } from '../stage/stage.ts';
import { waitUntil } from '../stage/waitUntil.ts';
import { CONNECTIONS, type Section } from './section.ts';
import { dropStored, requireStored } from './stored.ts';

const SECTION = 'e f drain';
const CLIENTS = 4;
const EVENTS_PER_REQUEST = 1_000;
const NAIVE_CONCURRENCIES = [1, 8, 32, 64] as const;
const LONGEST_DRAIN_SECONDS = 120;
/** Of the first short drains. */
const TRIED_EVENTS = 5_000;
const NAIVE_TRIED_EVENTS = 500;
const MOST_EVENTS = 100_000;

/** How fast one worker process brings queued events into MongoDB, ours and the naive one at its best. */
export async function measureDrain({ stage, report, pace }: Section): Promise<Measurement> {
  report.announce('e f drain: queued events of 100 sellers into MongoDB, one worker process');
  const web = await startWeb(stage);
  const naiveQueue = openNaiveQueue(stage.redis);
  try {
    const best = await bestConcurrency(stage, report, naiveQueue);
    const naiveEvents = eventsFor(best.rate, pace.drainSeconds);
    const tried = await drainOurs(stage, TRIED_EVENTS, (count) => postBatches(stage, web, count));
    const events = eventsFor(tried, pace.drainSeconds);
    const subject = (name: string, run: () => Promise<number>) => ({
      measurement: report.measurement(SECTION, name, 'events/s'),
      run,
    });
    const batches = subject(`(e) ${events} events accepted in batches of 1,000`, () =>
      drainOurs(stage, events, (count) => postBatches(stage, web, count)),
    );
    const singles = subject(`(e) ${events} events accepted one by one`, () =>
      drainOurs(stage, events, (count) => postSingles(web, count)),
    );
    const naive = subject(`(f) a job and an insertOne per event, ${best.concurrency} at a time`, () =>
      drainNaive(stage, naiveQueue, naiveEvents, best.concurrency),
    );
    await roundRobin(report, pace.rounds, [batches, singles, naive]);
    report.compare('(e) from batches / (f)', batches.measurement, naive.measurement, { atLeast: 5 });
    report.compare('(e) from single reports / (f)', singles.measurement, naive.measurement, { atLeast: 5 });
    return batches.measurement;
  } finally {
    await naiveQueue.close();
    await web.stop();
  }
}

async function bestConcurrency(
  stage: Stage,
  report: Report,
  queue: Queue,
): Promise<{ concurrency: number; rate: number }> {
  let best = { concurrency: 1, rate: 0 };
  for (const concurrency of NAIVE_CONCURRENCIES) {
    const rate = await drainNaive(stage, queue, NAIVE_TRIED_EVENTS, concurrency);
    report.add(report.measurement(SECTION, `(f) tried ${concurrency} at a time`, 'events/s'), rate);
    if (rate > best.rate) best = { concurrency, rate };
  }
  return best;
}

/** In whole batches. */
function eventsFor(rate: number, seconds: number): number {
  const batches = Math.max(1, Math.round((rate * seconds) / EVENTS_PER_REQUEST));
  return Math.min(MOST_EVENTS, batches * EVENTS_PER_REQUEST);
}

/** Fills the queue while it is paused, and times how long a worker takes to empty it. The rows and totals are then counted. */
async function drainOurs(
  stage: Stage,
  events: number,
  fill: (events: number) => Promise<void>,
): Promise<number> {
  const { usage } = stage;
  await stage.emptyRedis();
  await usage.pause();
  await fill(events);
  await dropStored(stage);
  const worker = await startWorker(stage);
  try {
    const seconds = await timeDrain(usage, () => worker.requireRunning());
    await requireStored(stage, events);
    return events / seconds;
  } finally {
    await worker.stop();
  }
}

async function drainNaive(stage: Stage, queue: Queue, events: number, concurrency: number): Promise<number> {
  const collection = stage.db.collection(NAIVE_COLLECTION);
  await stage.emptyRedis();
  await queue.pause();
  await collection.drop();
  const jobs = acceptedEvents(events, 1).map((event) => ({ name: NAIVE_QUEUE.job, data: event }));
  for (let start = 0; start < jobs.length; start += 500) await queue.addBulk(jobs.slice(start, start + 500));
  const worker = await startNaiveWorker(stage, queue, concurrency);
  try {
    const seconds = await timeDrain(queue, () => worker.requireRunning());
    const rows = await collection.countDocuments();
    if (rows !== events) throw new Error(`The naive worker stored ${rows} of ${events} events`);
    return events / seconds;
  } finally {
    await worker.stop();
  }
}

/** Seconds from the resumption of the queue until it is empty and nothing is being worked on. */
async function timeDrain(queue: Queue, requireRunning: () => void): Promise<number> {
  const startedAt = performance.now();
  await queue.resume();
  await waitUntil('the queue is drained', LONGEST_DRAIN_SECONDS, async () => {
    requireRunning();
    const { wait, active, delayed, failed } = await queue.getJobCounts('wait', 'active', 'delayed', 'failed');
    if (failed) throw new Error(`${failed} jobs of the queue ${queue.name} failed`);
    return wait === 0 && active === 0 && delayed === 0;
  });
  return (performance.now() - startedAt) / 1_000;
}

async function postBatches(stage: Stage, web: HttpProcess, events: number): Promise<void> {
  const requests = encodedBatches(stage.adminApiKey, events / EVENTS_PER_REQUEST, EVENTS_PER_REQUEST);
  await sendAll(web.url, CLIENTS, requests);
}

async function postSingles(web: HttpProcess, events: number): Promise<void> {
  await sendAmount({ url: web.url, connections: CONNECTIONS, requests: encodedReports() }, events);
}
