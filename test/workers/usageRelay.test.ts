import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Script, startUsageServer, type UsageServer } from '../../sandbox/usageServer.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { storeUsageEvents } from '../../src/models/usage.ts';
import { UsagePending } from '../../src/models/usagePending.ts';
import { type OpenQueues, openQueues, queuePrefix } from '../../src/producers/queues.ts';
import { enqueueEvents } from '../../src/producers/usage/enqueueEvents.ts';
import { wakeRelay } from '../../src/producers/usage/wakeRelay.ts';
import { usageQueue, usageRelayQueue } from '../../src/queues/usage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const calendar = new BusinessCalendar('Asia/Ho_Chi_Minh');
const sellers = [1, 2, 3].map((id) => ({ user_id: id, user_name: `Seller.${id}@example.test` }));
const error = (status: number, headers = {}) =>
  ({ kind: 'answer', status, headers, body: '{"status":"error","message":"not this one"}' }) as const;

let system: TestSystem;
let queues: OpenQueues;
let pending: UsagePending;
let server: UsageServer;
let stops: (() => Promise<void>)[];

beforeEach(async () => {
  system = await createTestSystem('relay');
  await system.addUsers(sellers);
  queues = openQueues(system.redis, system.prefix);
  pending = new UsagePending(system.redis, queuePrefix(system.prefix, usageQueue.name), calendar);
  server = await startUsageServer();
  stops = [];
});

afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await queues.close();
  await system.remove();
  await server.close();
});

test('posts every report once, in each user’s order, past failures of every kind and with several workers', async () => {
  const events = reports({ users: 3, perUser: 12 });
  server.behave(
    failingOnce({
      3: error(500),
      7: error(429, { 'retry-after': '1' }),
      11: { kind: 'take-and-drop' },
      16: error(302, { location: 'http://127.0.0.1:1/' }),
      20: { kind: 'answer', status: 200, body: '{"status":"queued"}' },
      25: { kind: 'take-and-drop' },
      26: error(503),
    }),
  );
  await Promise.all([startRelayWorker(), startRelayWorker()]);
  for (const event of events) await accept([event]);
  await everythingPosted(events);

  for (const { user_id: userId, user_name: userName } of sellers) {
    const own = events.filter((event) => event.user_id === userId).map((event) => String(event.record_id));
    expect(countedKeys(userName)).toEqual(own);
    // Not even an attempt overtakes: a report is first posted after the one before it was taken.
    const attempts = server.received.filter((post) => post.fields.userName === userName);
    expect([...new Set(attempts.map((post) => post.idempotencyKey))]).toEqual(own);
  }
});

test('says the amounts exactly, in the contract’s decimals', async () => {
  await startRelayWorker();
  await accept([
    {
      ...report(1, 1),
      at: Date.UTC(2026, 0, 5, 2, 30),
      image_count: 3,
      image_cost: 60_900,
      video_count: 1,
      video_cost: 6_400_000,
      total_cost: 6_460_901,
    },
  ]);
  await waitFor('the post', async () => server.counted[0]);
  expect(server.received[0]).toMatchObject({
    idempotencyKey: '1',
    fields: {
      userName: 'Seller.1@example.test',
      image_count: '3',
      image_cost: '0.0609',
      video_count: '1',
      video_cost: '6.40',
      total_cost: '6.460901',
      timestamp: '2026-01-05 09:30:00',
    },
  });
});

test('a user whose posts hang holds nobody up', async () => {
  server.behave((post) => (post.fields.userName === 'Seller.1@example.test' ? { kind: 'hang' } : undefined));
  await startRelayWorker();
  const events = reports({ users: 3, perUser: 4 });
  await accept(events);
  await waitFor('the other users’ reports', async () => (server.counted.length === 8 ? true : undefined));
  expect(countedKeys('Seller.1@example.test')).toEqual([]);
  expect(server.abandoned, 'the first post still hangs').toBe(0);
});

test('a killed worker’s user goes on with another one, nothing twice', async () => {
  const killed = Promise.withResolvers<void>();
  server.behave(() =>
    server.counted.length >= 12 ? { kind: 'take-later', until: killed.promise } : undefined,
  );
  const first = await system.startWorker({ USAGE_RELAY_URL: server.url });
  const events = reports({ users: 1, perUser: 40 });
  await accept(events);
  await waitFor('a third of the posts', async () => (server.counted.length >= 13 ? true : undefined));
  first.kill('SIGKILL');
  await first.exited;
  killed.resolve();
  await startRelayWorker();
  await everythingPosted(events);
  expect(countedKeys('Seller.1@example.test')).toEqual(events.map((event) => String(event.record_id)));
});

test('a refusal for good is parked, the order goes on, and an operator’s retry posts it', async () => {
  server.behave((post) => (post.idempotencyKey === '2' ? error(404) : undefined));
  await startRelayWorker();
  const events = reports({ users: 1, perUser: 3 });
  await accept(events);
  await everythingPosted(events);
  expect(countedKeys('Seller.1@example.test')).toEqual(['1', '3']);

  const relayQueue = queues.of(usageRelayQueue);
  const parked = await waitFor('the dead letter', async () => (await relayQueue.getFailed())[0]);
  expect(parked).toMatchObject({
    name: 'relay-refused-report',
    failedReason: 'The other server refused it: 404 not this one',
  });
  expect(server.received.filter((post) => post.idempotencyKey === '2')).toHaveLength(1);

  await parked.retry();
  await waitFor('the second refusal', async () =>
    (await relayQueue.getFailed())[0]?.failedReason?.startsWith('Posted again') ? true : undefined,
  );
  server.behave(() => undefined);
  await (await relayQueue.getFailed())[0]?.retry();
  await waitFor('the report', async () => (server.counted.length === 3 ? true : undefined));
  expect(countedKeys('Seller.1@example.test')).toEqual(['1', '3', '2']);
  await waitFor('the end of the dead letter', async () =>
    (await relayQueue.getFailedCount()) === 0 ? true : undefined,
  );
});

test('what the other side cannot take for too long is parked', async () => {
  server.behave((post) => (post.idempotencyKey === '1' ? error(500) : undefined));
  // Two seconds.
  await startRelayWorker({ USAGE_RELAY_RETRY_DAYS: String(2 / 86_400) });
  const events = reports({ users: 1, perUser: 2 });
  await accept(events);
  await everythingPosted(events);
  expect(countedKeys('Seller.1@example.test')).toEqual(['2']);
  expect(server.received.filter((post) => post.idempotencyKey === '1').length).toBeGreaterThan(1);
  const parked = await waitFor(
    'the dead letter',
    async () => (await queues.of(usageRelayQueue).getFailed())[0],
  );
  expect(parked.failedReason).toContain('500 not this one');
});

test('goes on by itself after an outage of the other side, also past a restart of the worker', async () => {
  const { url } = server;
  await server.close();
  const stopFirst = await startRelayWorker({ USAGE_RELAY_URL: url });
  const events = reports({ users: 2, perUser: 5 });
  await accept(events);
  await laneFailures(2);
  await stopFirst();
  await startRelayWorker({ USAGE_RELAY_URL: url });
  await laneFailures(3);
  server = await startUsageServer({ port: Number(new URL(url).port) });
  await everythingPosted(events);
  for (const seller of sellers.slice(0, 2)) {
    const own = events.filter((event) => event.user_id === seller.user_id);
    expect(countedKeys(seller.user_name)).toEqual(own.map((event) => String(event.record_id)));
  }
});

test('a report waits for an older one of its user that is still queued', async () => {
  const [older, newer] = reports({ users: 1, perUser: 2 });
  if (!older || !newer) throw new Error('two reports');
  await startRelayWorker({}, ['usage-relay']);
  await accept([older]);
  await storeUsageEvents(system.connection, [newer], { calendar, relay: true });
  const relayQueue = queues.of(usageRelayQueue);
  await wakeRelay(relayQueue, [1], []);
  await waitFor('the relay to have looked', async () => {
    const counts = await relayQueue.getJobCounts('wait', 'active', 'delayed');
    return Object.values(counts).every((count) => count === 0) ? true : undefined;
  });
  expect(server.received).toEqual([]);

  await startRelayWorker({}, ['usage']);
  await everythingPosted([older, newer]);
  expect(countedKeys('Seller.1@example.test')).toEqual(['1', '2']);
});

test('without an address nothing is set aside, and what was left over waits for one', async () => {
  const [left, unrelayed, next] = reports({ users: 1, perUser: 3 });
  if (!left || !unrelayed || !next) throw new Error('three reports');
  await storeUsageEvents(system.connection, [left], { calendar, relay: true });
  const stopOff = await startRelayWorker({ USAGE_RELAY_URL: '' });
  await accept([unrelayed]);
  await waitFor('the row', async () =>
    (await system.connection.collection('usage_records').countDocuments()) === 2 ? true : undefined,
  );
  await wakeRelay(queues.of(usageRelayQueue), [1], []);
  await stopOff();
  expect(await waiting()).toEqual([1]);

  await startRelayWorker();
  await accept([next]);
  await everythingPosted([left, next]);
  expect(countedKeys('Seller.1@example.test')).toEqual(['1', '3']);
});

test('at a side that ignores the key a report may count again, but none is lost', async () => {
  await server.close();
  server = await startUsageServer({ honoursKeys: false });
  server.behave(failingOnce({ 2: { kind: 'take-and-drop' } }));
  await startRelayWorker();
  const events = reports({ users: 1, perUser: 3 });
  await accept(events);
  await everythingPosted(events);
  expect(countedKeys('Seller.1@example.test')).toEqual(['1', '2', '2', '3']);
});

/** @returns how to stop it before the test's end */
async function startRelayWorker(environment: Record<string, string> = {}, names: string[] = []) {
  const stop = await startLocalWorkers(system, { USAGE_RELAY_URL: server.url, ...environment }, names);
  let stopped: Promise<void> | undefined;
  const once = () => {
    stopped ??= stop();
    return stopped;
  };
  stops.push(once);
  return once;
}

async function laneFailures(atLeast: number): Promise<void> {
  const lanes = system.connection.collection('usage_relay_lanes');
  await waitFor(`${atLeast} failures in a row`, async () =>
    (await lanes.countDocuments({ failures: { $gte: atLeast } })) > 0 ? true : undefined,
  );
}

async function accept(events: readonly UsageEvent[]): Promise<void> {
  await enqueueEvents(queues.of(usageQueue), pending, events, ['request-1']);
}

async function waiting(): Promise<number[]> {
  const entries = await system.connection.collection<{ _id: number }>('usage_relay_outbox').find().toArray();
  return entries.map((entry) => entry._id);
}

/** Also that nothing is on the list before the first rows are stored. */
async function everythingPosted(events: readonly UsageEvent[]): Promise<void> {
  const ids = events.map((event) => event.record_id);
  const records = system.connection.collection<{ _id: number }>('usage_records');
  await waitFor(
    'everything to be posted',
    async () => {
      const stored = await records.countDocuments({ _id: { $in: ids } });
      return stored === ids.length && (await waiting()).length === 0 ? true : undefined;
    },
    120_000,
  );
}

function countedKeys(userName: string): (string | undefined)[] {
  return server.counted.filter((counted) => counted.userName === userName).map((counted) => counted.key);
}

/** Each behaviour for the first post of its record. */
function failingOnce(behaviours: Record<number, ReturnType<Script>>): Script {
  return (post) => {
    const again = server.received.some((earlier) => earlier.idempotencyKey === post.idempotencyKey);
    return again ? undefined : behaviours[Number(post.idempotencyKey)];
  };
}

/** Record ids from 1 on, the users taking turns, each a millisecond after the one before. */
function reports(size: { users: number; perUser: number }): UsageEvent[] {
  return Array.from({ length: size.users * size.perUser }, (_, index) =>
    report(index + 1, (index % size.users) + 1),
  );
}

function report(recordId: number, userId: number): UsageEvent {
  const receivedAt = 1_767_000_000_000 + recordId;
  return {
    record_id: recordId,
    user_id: userId,
    received_at: receivedAt,
    at: 1_767_000_000_000,
    timestamp_sent: false,
    image_count: 1,
    image_cost: 20_300,
    video_count: 0,
    video_cost: 0,
    total_cost: 20_300,
  };
}
