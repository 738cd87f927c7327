import { afterEach, beforeEach, expect, test } from 'vitest';
import { startUsageServer } from '../../sandbox/usageServer.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { storeUsageEvents } from '../../src/models/usage.ts';
import { pendingKeys, UsagePending } from '../../src/models/usagePending.ts';
import { readUserTotals } from '../../src/models/usageTotals.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { startUpkeep, type UpkeepJob } from '../../src/producers/usage/startUpkeep.ts';
import { usageQueue, usageUpkeepQueue } from '../../src/queues/usage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let system: TestSystem;
let queues: OpenQueues;
let pending: UsagePending;
let stop: (() => Promise<void>) | undefined;
let tick = Date.UTC(2026, 0, 5);

beforeEach(async () => {
  system = await createTestSystem('upkeep');
  queues = openQueues(system.redis, system.prefix);
  pending = new UsagePending(system.redis, queuePrefix(system.prefix, usageQueue.name), calendar);
  stop = undefined;
});

afterEach(async () => {
  await stop?.();
  await queues.close();
  await system.remove();
});

test('forgets what is stored although its job is gone', async () => {
  const events = [event(1, 5 * MINUTE), event(2, 5 * MINUTE), keyed(3, 5 * MINUTE)];
  await queuedWithoutJob(events);
  await pending.claim([keyed(3, 5 * MINUTE)]);
  await storeUsageEvents(system.connection, events, { calendar, relay: false });
  expect(await upkeep('sweep-pending')).toEqual({ ranges: 1, groups: 2, claims: 1 });
  expect(await whatIsKept()).toEqual({ groups: 0, ranges: 0, claims: 0 });
});

test('totals stop counting reports whose job somebody removed, and the log names them', async () => {
  await queuedWithoutJob([event(7, 5 * MINUTE), event(8, 5 * MINUTE)]);
  const totals = () => readUserTotals({ connection: system.connection, pending, calendar }, 1, undefined);
  expect((await totals()).totals.image_count).toBe(2n);
  const worker = await system.startWorker({}, ['usage-upkeep']);
  await startUpkeep(system.redis, queues.of(usageUpkeepQueue), 'sweep-pending', new Date(tick));
  const line = await worker.line((text) => text.includes('neither queued nor stored: their jobs'));
  expect(JSON.parse(line)).toMatchObject({ level: 'error', record_ids: [7, 8] });
  await waitFor('the groups to go', async () => ((await whatIsKept()).groups === 0 ? true : undefined));
  expect((await totals()).totals.image_count).toBe(0n);
});

test('leaves alone what is queued, and what was queued a moment ago', async () => {
  await queuedWithoutJob([event(3, 0)]);
  await enqueueEvents(queues.of(usageQueue), pending, [event(1, 5 * MINUTE), keyed(2, 2 * DAY)], []);
  await pending.claim([keyed(2, 2 * DAY)]);
  expect(await upkeep('sweep-pending')).toEqual({ ranges: 1, groups: 0, claims: 0 });
  expect(await whatIsKept()).toEqual({ groups: 3, ranges: 1, claims: 1 });
});

test('a dead letter still holds its reports', async () => {
  const queue = queues.of(usageQueue);
  await enqueueEvents(queue, pending, [event(1, 5 * MINUTE)], []);
  const job = await waitFor('the job', async () => (await queue.getWaiting())[0]);
  await system.redis.lrem(queue.toKey('wait'), 1, job.id ?? '');
  await system.redis.zadd(queue.toKey('failed'), Date.now(), job.id ?? '');
  expect(await upkeep('sweep-pending')).toEqual({ ranges: 0, groups: 0, claims: 0 });
});

test('a report that stands in a second job too is not lost with the first one', async () => {
  const repeated = keyed(1, 5 * MINUTE);
  await queuedWithoutJob([repeated]);
  await enqueueEvents(queues.of(usageQueue), pending, [repeated], []);
  expect(await upkeep('sweep-pending')).toEqual({ ranges: 1, groups: 0, claims: 0 });
  expect(await whatIsKept()).toMatchObject({ groups: 1, ranges: 1 });
});

test('a claim of nobody is given up after a day', async () => {
  await pending.claim([keyed(1, DAY - MINUTE), keyed(2, DAY + MINUTE)]);
  expect(await upkeep('sweep-pending')).toEqual({ ranges: 0, groups: 0, claims: 1 });
  expect(
    (await pending.holdersOf(['1:event:event-1', '1:event:event-2'])).map((held) => held.record_id),
  ).toEqual([1]);
});

test('sweeps thousands, page by page', async () => {
  const events = Array.from({ length: 3_000 }, (_, index) => event(index + 1, 5 * MINUTE, (index % 50) + 1));
  await queuedWithoutJob(events);
  await storeUsageEvents(system.connection, events.slice(0, 1_500), { calendar, relay: false });
  const swept = await upkeep('sweep-pending');
  expect(swept).toMatchObject({ ranges: 30, groups: 1_500 });
  expect(await whatIsKept()).toEqual({ groups: 0, ranges: 0, claims: 0 });
});

test('wakes the relay for users whose wake was lost', async () => {
  const server = await startUsageServer();
  const userIds = Array.from({ length: 5 }, (_, index) => index + 1);
  await system.addUsers(userIds.map((id) => ({ user_id: id, user_name: `seller.${id}@example.test` })));
  const events = userIds.flatMap((id) => [
    event(id * 10, 5 * MINUTE, id),
    event(id * 10 + 1, 5 * MINUTE, id),
  ]);
  await storeUsageEvents(system.connection, events, { calendar, relay: true });
  await upkeep('wake-relay', { USAGE_RELAY_URL: server.url });
  await waitFor('the posts', async () => (server.counted.length === 10 ? true : undefined));
  await server.close();
});

/** @returns the job's result */
async function upkeep(job: UpkeepJob, environment: Record<string, string> = {}): Promise<unknown> {
  stop ??= await startLocalWorkers(system, environment, ['usage-upkeep', 'usage-relay']);
  tick += MINUTE;
  const queue = queues.of(usageUpkeepQueue);
  await startUpkeep(system.redis, queue, job, new Date(tick));
  const finished = await waitFor('the upkeep', async () => {
    const [last] = await queue.getCompleted(0, 0);
    return last;
  });
  return finished.returnvalue;
}

/** The reports are known as pending, and their jobs are gone without a trace. */
async function queuedWithoutJob(events: readonly UsageEvent[]): Promise<void> {
  const queue = queues.of(usageQueue);
  await enqueueEvents(queue, pending, events, []);
  for (const job of await queue.getWaiting()) await job.remove();
}

async function whatIsKept(): Promise<{ groups: number; ranges: number; claims: number }> {
  const keys = pendingKeys(queuePrefix(system.prefix, usageQueue.name));
  return {
    groups: await system.redis.zcard(keys.groups),
    ranges: await system.redis.zcard(keys.ranges),
    claims: await system.redis.hlen(keys.claims),
  };
}

function keyed(recordId: number, ageMilliseconds: number): UsageEvent {
  return { ...event(recordId, ageMilliseconds), event_id: `event-${recordId}` };
}

function event(recordId: number, ageMilliseconds: number, userId = 1): UsageEvent {
  const receivedAt = Date.now() - ageMilliseconds;
  return {
    record_id: recordId,
    user_id: userId,
    received_at: receivedAt,
    at: Math.floor(receivedAt / 1_000) * 1_000,
    timestamp_sent: false,
    image_count: 1,
    image_cost: 20_300,
    video_count: 0,
    video_cost: 0,
    total_cost: 20_300,
  };
}
