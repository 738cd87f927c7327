import { type Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { queuePrefix } from '../../src/producers/queues.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { openMongoLink } from '../support/mongoLink.ts';
import { served } from '../support/served.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { exactJson, sums, UsageApi } from '../support/usageApi.ts';
import { waitFor } from '../support/waitFor.ts';

/** Every test begins and ends without a worker, and has sellers of its own. */
let lastUserId = 0;

let system: TestSystem;
let api: UsageApi;
let queue: Queue;
let queueConnection: Redis;

beforeAll(async () => {
  system = await createTestSystem('read-your-writes');
  queueConnection = new Redis(system.redisUrl, { maxRetriesPerRequest: null });
  queue = new Queue(usageQueue.name, {
    connection: queueConnection,
    prefix: queuePrefix(system.prefix, usageQueue.name),
  });
  const web = await system.startWeb();
  api = new UsageApi(web.url, system.adminKey);
});

afterAll(async () => {
  await queue.close();
  queueConnection.disconnect();
  await system.remove();
});

async function newSellers(count: number): Promise<{ user_id: number; user_name: string }[]> {
  const sellers = Array.from({ length: count }, () => ({
    user_id: ++lastUserId,
    user_name: `seller.${lastUserId}`,
  }));
  await system.addUsers(sellers);
  return sellers;
}

test('with no worker at all, whoever posts reads the own report at once, each exactly once', async () => {
  const [{ user_name: userName, user_id } = { user_name: '', user_id: 0 }] = await newSellers(1);
  for (let posted = 1; posted <= 20; posted++) {
    await api.report({
      userName,
      image_count: 1,
      image_cost: '0.1',
      ...(posted % 2 ? { event_id: `event-${posted}` } : {}),
    });
    expect(await api.stats(userName)).toEqual(sums(String(posted), tenths(posted), '0', '0', tenths(posted)));
  }
  // Repeats are queued once more, in jobs of their own, and count as little as they will in the end.
  for (let repeat = 1; repeat <= 20; repeat += 2) {
    await api.report({ userName, image_count: 1, image_cost: '0.1', event_id: `event-${repeat}` });
  }
  expect(await api.stats(userName)).toEqual(sums('20', '2', '0', '0', '2'));
  expect(await api.stats(userName, '?period=today')).toEqual(sums('20', '2', '0', '0', '2'));
  expect(await api.stats(userName, '?period=yesterday')).toEqual(sums('0', '0', '0', '0', '0'));
  expect(await system.connection.collection('usage_records').countDocuments({ user_id })).toBe(0);
});

test('while two workers drain thousands, every single answer is the full sum', async () => {
  const sellers = await newSellers(4);
  const events = Array.from({ length: 12_000 }, (_, index) => ({
    userName: sellers[index % 4]?.user_name,
    image_count: 1,
    image_cost: '0.0001',
    video_cost: '0.01',
    timestamp: `2026-01-${String((index % 28) + 1).padStart(2, '0')} ${String(index % 24).padStart(2, '0')}:00:00`,
    ...(index % 12 === 0 ? { event_id: `event-${index}` } : {}),
  }));
  for (let start = 0; start < events.length; start += 1_000) {
    const answer = await api.batch(JSON.stringify(events.slice(start, start + 1_000)));
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: 1_000 });
  }
  const full = sums('3000', '0.3', '0', '30', '30.3');
  // The workers commit something, and stop there until that was seen.
  const link = await openMongoLink(system.mongoUrl);
  onTestFinished(() => link.close());
  link.holdCommits();
  const ids = sellers.map((seller) => seller.user_id);
  const records = system.connection.collection('usage_records');
  let drained = false;
  let whileDraining = 0;
  const watch = async ({ user_name: userName, user_id }: { user_name: string; user_id: number }) => {
    while (!drained) {
      expect(await api.stats(userName)).toEqual(full);
      expect(await api.stats(userName, '?date_from=2026-01-01&date_to=2026-01-28')).toEqual(full);
      const stored = await records.countDocuments({ user_id });
      if (stored > 0 && stored < 3_000) whileDraining++;
    }
  };
  const series = async () => {
    while (!drained) {
      const query = '?unit=month&date_from=2026-01-01&date_to=2026-01-31';
      const answer = await served(() => api.operate(`/api/tools/usage${query}`));
      const rows: Record<string, string>[] = exactJson(answer.text).rows;
      expect(
        rows
          .filter((row) => ids.includes(Number(row.user_id)))
          .map((row) => [row.user_id, row.image_count, row.total_cost]),
      ).toEqual(sellers.map((seller) => [String(seller.user_id), '3000', '30.3']));
    }
  };
  const watching = Promise.all([...sellers.slice(2).map(watch), series()]);
  watching.catch(() => undefined);
  const [worker, stopLocal] = await Promise.all([
    system.startWorker({ MONGODB_URL: link.url }),
    startLocalWorkers(system, { MONGODB_URL: link.url }, ['usage']),
  ]);
  await Promise.race([
    watching,
    waitFor('answers came while it drained', async () => whileDraining > 0 || undefined),
  ]);
  link.release();
  await waitFor('all are stored', async () =>
    (await records.countDocuments({ user_id: { $in: ids } })) === events.length ? true : undefined,
  );
  await waitFor('nothing is pending', async () =>
    (await system.redis.exists(`${queuePrefix(system.prefix, usageQueue.name)}:pending-records`)) === 0
      ? true
      : undefined,
  );
  drained = true;
  await Promise.all([watching, worker.stop(), stopLocal()]);
  for (const seller of sellers) expect(await api.stats(seller.user_name)).toEqual(full);
});

test('an unreadable event in a job becomes a dead letter that says why, the others are stored, totals never dip', async () => {
  const [first = '', second = ''] = (await newSellers(2)).map((seller) => seller.user_name);
  const readable = { userName: first, image_count: 1, image_cost: '0.5' };
  const answer = await api.batch(
    JSON.stringify([
      readable,
      readable,
      { userName: first },
      { ...readable, event_id: 'with-an-id' },
      { ...readable, userName: second },
    ]),
  );
  const ids: number[] = JSON.parse(answer.text).results.map(
    (result: { record_id: number }) => result.record_id,
  );
  const job = (await queue.getWaiting()).find((waiting) => holds(waiting, ids[0]));
  // The third event counts nothing, so that the totals are the same with and without it.
  const events = job?.data.payload.events;
  events[2] = { ...events[2], image_cost: 'half a cent' };
  await job?.updateData({ ...job.data, payload: { events } });
  const byHand = await queue.add('store-reports', { payload: { events: ['junk'] }, request_ids: [] });

  const full = sums('3', '1.5', '0', '0', '1.5');
  let over = false;
  const watching = (async () => {
    while (!over) {
      expect(await api.stats(first)).toEqual(full);
      expect(await api.stats(second)).toEqual(sums('1', '0.5', '0', '0', '0.5'));
    }
  })();
  watching.catch(() => undefined);
  const stopWorkers = await startLocalWorkers(system, {}, ['usage']);
  const letter = await waitFor('the dead letter', async () =>
    (await queue.getFailed()).find((failed) => failed.id === job?.id),
  );
  await waitFor('the others are stored', async () =>
    (await system.connection
      .collection<{ _id: number }>('usage_records')
      .countDocuments({ _id: { $in: ids } })) === 4
      ? true
      : undefined,
  );
  over = true;
  await watching;

  expect(letter.failedReason).toContain('1 of 5 events cannot be read');
  expect(letter.failedReason).toContain('event 2: ');
  expect(letter.failedReason).toContain('image_cost');
  expect(letter.attemptsMade, 'poison is not tried again').toBe(1);
  const stored = await system.connection
    .collection<{ _id: number }>('usage_records')
    .distinct('_id', { _id: { $in: ids } });
  expect(stored.sort()).toEqual(ids.filter((id) => id !== ids[2]).sort());
  await waitFor('the job of junk alone is dead too', async () =>
    (await byHand.getState()) === 'failed' ? true : undefined,
  );
  await stopWorkers();
  const shown = await api.operate(`/api/jobs/usage/${letter.id}`);
  expect(JSON.parse(shown.text)).toMatchObject({ state: 'failed', reason: letter.failedReason });
});

function tenths(count: number): string {
  return String(count / 10);
}

function holds(job: Job, recordId: number | undefined): boolean {
  return job.data.payload.events.some((event: { record_id?: number }) => event.record_id === recordId);
}
