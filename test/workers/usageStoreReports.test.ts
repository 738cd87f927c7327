import { mongo } from 'mongoose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { storedRecordIds, storeUsageEvents } from '../../src/models/usage.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { readUserTotals } from '../../src/models/usageTotals.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { isOutage } from '../../src/runtime/outage.ts';
import { createStoreReports } from '../../src/workers/usage/storeReports.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';

const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');
const FULL_USER = 9;
/** So many of the largest counts that the schema lets through fit into the 64 bits of a sum, and not one more. */
const COUNTS_OF_A_FULL_SUM = 1_024;

let system: TestSystem;
let queues: OpenQueues;
let pending: UsagePending;

beforeEach(async () => {
  system = await createTestSystem('store-reports');
  queues = openQueues(system.redis, system.prefix);
  pending = new UsagePending(system.redis, queuePrefix(system.prefix, usageQueue.name), calendar);
});

afterEach(async () => {
  await queues.close();
  await system.remove();
});

test('a job that cannot be stored fails alone, the ones that share its transaction are stored', async () => {
  const full = Array.from({ length: COUNTS_OF_A_FULL_SUM }, (_, index) => tooMuch(1_000 + index));
  await storeUsageEvents(system.connection, full, { calendar, relay: false });
  const jobs = [[event(1, 1), event(2, 2)], [event(3, 1), tooMuch(4)], [event(5, 1)], [event(6, 3)]];
  for (const events of jobs) await enqueueEvents(queues.of(usageQueue), pending, events, []);

  const ends = await Promise.allSettled(await runWaitingJobs());
  expect(ends.map((end) => end.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  const failure = ends.find((end) => end.status === 'rejected')?.reason;
  expect(failure).toBeInstanceOf(mongo.MongoServerError);
  // An outage would be nobody's fault, and all of them would be postponed.
  expect(isOutage(failure)).toBe(false);

  expect(await storedRecordIds(system.connection, [1, 2, 3, 4, 5, 6])).toEqual(new Set([1, 2, 5, 6]));
  // Only the failed job is still known as waiting, so that its reports count while it is tried again.
  const waiting = (await pending.ofEverybody()).map((group) => [group.user_id, group.representative]);
  expect(waiting).toEqual([
    [1, 3],
    [FULL_USER, 4],
  ]);
  expect(await Promise.all([imagesOf(1), imagesOf(2), imagesOf(3)])).toEqual([3n, 1n, 1n]);
});

/** All at once, as a worker does that finds them waiting. */
async function runWaitingJobs() {
  const storeReports = createStoreReports({
    queue: queues.of(usageQueue),
    pending,
    connection: system.connection,
    calendar,
  });
  const jobs = await queues.of(usageQueue).getWaiting();
  return jobs.map((job) =>
    storeReports(job.data.payload, {
      signal: new AbortController().signal,
      logger: createLogger('worker', 'silent'),
      jobId: String(job.id),
      requestIds: [],
      seeThrough: (work) => work(),
      attempt: 1,
      progress: () => Promise.resolve(),
    }),
  );
}

async function imagesOf(userId: number): Promise<bigint> {
  const { totals } = await readUserTotals(
    { connection: system.connection, pending, calendar },
    userId,
    undefined,
  );
  return totals.image_count;
}

/** Of a user whose sums are full: MongoDB refuses to raise them. */
function tooMuch(recordId: number): UsageEvent {
  return { ...event(recordId, FULL_USER), image_count: Number.MAX_SAFE_INTEGER };
}

function event(recordId: number, userId: number): UsageEvent {
  return {
    record_id: recordId,
    user_id: userId,
    received_at: Date.UTC(2026, 0, 5),
    at: Date.UTC(2026, 0, 5),
    timestamp_sent: false,
    image_count: 1,
    image_cost: 20_300,
    video_count: 0,
    video_cost: 0,
    total_cost: 20_300,
  };
}
