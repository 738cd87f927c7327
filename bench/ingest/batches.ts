import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import { sendAll } from '../load/sendAll.ts';
import { openNaiveQueue } from '../peers/naiveQueue.ts';
import { roundRobin } from '../report/roundRobin.ts';
import { startWeb } from '../stage/processes.ts';
import { acceptedEvents, encodedBatches } from '../stage/reports.ts';
import type { Section } from './section.ts';

const SECTION = 'b d batches';
const EVENTS_PER_REQUEST = 1_000;
const EVENTS_PER_JOB = 100;
const SINGLE_ADDS_IN_FLIGHT = 64;
const CLIENTS = 4;
const JOBS_PER_REQUEST = EVENTS_PER_REQUEST / EVENTS_PER_JOB;
/** What one job for each event cannot exceed, on this kind of machine. */
const ONE_JOB_PER_EVENT = 20_000;

/** How fast events come into Redis: by BullMQ itself, and by the batch endpoint. */
export async function measureBatches({ stage, report, pace }: Section): Promise<void> {
  report.announce('b d batches: events into Redis, by BullMQ itself and over HTTP');
  const web = await startWeb(stage);
  const raw = openNaiveQueue(stage.redis);
  const events = pace.batchEvents;
  const subject = (name: string, seconds: () => Promise<number>, count = events) => ({
    measurement: report.measurement(SECTION, name, 'events/s'),
    run: async () => {
      await stage.emptyRedis();
      return count / (await seconds());
    },
  });
  const post = async (eventIds?: string) => {
    const requests = encodedBatches(
      stage.adminApiKey,
      events / EVENTS_PER_REQUEST,
      EVENTS_PER_REQUEST,
      eventIds,
    );
    return sendAll(web.url, CLIENTS, requests);
  };
  const singles = events / 6;
  const adds = subject('(b) queue.add, 64 at a time', () => addSingles(raw, singles), singles);
  const bulk = subject('(b) addBulk of 100 one-event jobs', () => addBulks(raw, events, 1, 100));
  const wide = subject('(b) addBulk of ten 100-event jobs', () =>
    addBulks(raw, events, EVENTS_PER_JOB, JOBS_PER_REQUEST),
  );
  const plain = subject('(d) 1,000 events a request', () => post());
  const keyed = subject('(d) the same, each with an event id', () =>
    post(randomBytes(6).toString('base64url')),
  );
  try {
    await plain.run();
    await wide.run();
    await keyed.run();
    await roundRobin(report, pace.rounds, [adds, bulk, wide, plain, keyed]);
    const target = { atLeast: 0.4 };
    report.compare('(d) / addBulk of 100-event jobs', plain.measurement, wide.measurement, target);
    report.compare('(d) with event ids / the same', keyed.measurement, wide.measurement, target);
    report.compareWith('(d) / 20,000 events/s', plain.measurement, ONE_JOB_PER_EVENT, { atLeast: 2 });
    report.compareWith('(d) with event ids / 20,000 events/s', keyed.measurement, ONE_JOB_PER_EVENT, {
      atLeast: 1,
    });
    report.compare('addBulk of 100-event jobs / of one-event jobs', wide.measurement, bulk.measurement);
  } finally {
    await raw.close();
    await web.stop();
    await stage.emptyRedis();
  }
}

async function addSingles(queue: Queue, count: number): Promise<number> {
  const events = acceptedEvents(count, 1).values();
  return timed(SINGLE_ADDS_IN_FLIGHT, async () => {
    for (const event of events) await queue.add('event', event);
  });
}

/** As many at a time as the batch endpoint has clients. */
async function addBulks(
  queue: Queue,
  count: number,
  eventsPerJob: number,
  jobsPerCall: number,
): Promise<number> {
  const events = acceptedEvents(count, 1);
  const jobs = Array.from({ length: count / eventsPerJob }, (_, index) => ({
    name: 'events',
    data: { events: events.slice(index * eventsPerJob, (index + 1) * eventsPerJob) },
  }));
  const calls = Array.from({ length: jobs.length / jobsPerCall }, (_, index) =>
    jobs.slice(index * jobsPerCall, (index + 1) * jobsPerCall),
  ).values();
  return timed(CLIENTS, async () => {
    for (const call of calls) await queue.addBulk(call);
  });
}

/** Seconds that it takes until all of them have nothing left to do. */
async function timed(atATime: number, work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: atATime }, work));
  return (performance.now() - startedAt) / 1_000;
}
