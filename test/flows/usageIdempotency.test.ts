import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queuePrefix } from '../../src/producers/queues.ts';
import { usageQueue } from '../../src/queues/usage.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { type Answer, exactJson, recordIdOf, refusal, sums, UsageApi } from '../support/usageApi.ts';
import { inParallel } from '../support/usageLoad.ts';
import { waitFor } from '../support/waitFor.ts';

/** The same id again is the same event: over headers, fields, batches, processes, kills and the loss of Redis. */
const CONFLICT = refusal('This event id was used before with other fields');

let system: TestSystem;
let api: UsageApi;
let other: UsageApi;
let lastUserId = 0;

beforeAll(async () => {
  system = await createTestSystem('idempotency');
  const [first, second] = await Promise.all([system.startWeb(), system.startWeb()]);
  api = new UsageApi(first.url, system.adminKey);
  other = new UsageApi(second.url, system.adminKey);
});

afterAll(() => system.remove());

async function newSeller(): Promise<{ userName: string; user_id: number }> {
  const userName = uniqueName('seller');
  await system.addUsers([{ user_id: ++lastUserId, user_name: userName }]);
  return { userName, user_id: lastUserId };
}

function rowsOf(user_id: number): Promise<number> {
  return system.connection.collection('usage_records').countDocuments({ user_id });
}

/** Runs workers until the user has so many rows and nothing is left to do. */
async function store(user_id: number, rows: number): Promise<void> {
  const stop = await startLocalWorkers(system, {}, ['usage']);
  const pending = `${queuePrefix(system.prefix, usageQueue.name)}:pending-records`;
  try {
    await waitFor(`${rows} rows are stored and nothing waits`, async () =>
      (await rowsOf(user_id)) >= rows && (await system.redis.exists(pending)) === 0 ? true : undefined,
    );
  } finally {
    await stop();
  }
  expect(await rowsOf(user_id)).toBe(rows);
}

/** As a client does that was told to come back. */
function postUntilTaken(fields: Readonly<Record<string, string>>): Promise<Answer> {
  return waitFor('the post is taken', async () => {
    const answer = await api.form(fields);
    if (answer.status === 503) return undefined;
    expect(answer.status, answer.text).toBe(200);
    return answer;
  });
}

const batchOf = async (events: readonly unknown[], headers = {}) =>
  exactJson((await api.batch(JSON.stringify(events), 'application/json', headers)).text).results;

describe('a repeat', () => {
  test('gets the first answer, whichever way the id is sent, queued and stored', async () => {
    const { userName, user_id } = await newSeller();
    const fields = { userName, image_count: '1', image_cost: '0.1', timestamp: '2026-01-05 09:30:00' };
    const first = await api.form({ ...fields, event_id: 'the id' });
    const repeats = async () => [
      await api.form({ ...fields, event_id: 'the id' }),
      await other.json({ ...fields, event_id: ' the id ' }),
      await api.multipart({ ...fields, event_id: 'the id' }),
      await other.form(fields, { 'Idempotency-Key': 'the id' }),
      await api.form({ ...fields, event_id: ' the id ' }, { 'Idempotency-Key': 'the id' }),
      await api.json({ ...fields, event_id: null }, { 'Idempotency-Key': 'the id' }),
      await api.json({ ...fields, image_cost: 0.1, total_cost: '0.100', event_id: 'the id' }),
    ];
    const expectRepeats = async () => {
      for (const answer of await repeats()) expect([answer.status, answer.text]).toEqual([200, first.text]);
      expect(await batchOf([{ ...fields, event_id: 'the id' }])).toEqual([
        { status: 'duplicate', record_id: String(recordIdOf(first)) },
      ]);
      expect(await api.stats(userName)).toEqual(sums('1', '0.1', '0', '0', '0.1'));
    };
    await expectRepeats();
    await store(user_id, 1);
    await expectRepeats();
    await store(user_id, 1);
  });

  test.each([
    ['another count', { image_count: '2' }],
    ['another cost', { image_cost: '0.2' }],
    ['a total of its own', { total_cost: '5' }],
    ['another moment', { timestamp: '2026-01-05 09:30:01' }],
    ['no moment', { timestamp: '' }],
  ])('with %s is refused with 422 and changes nothing', async (_what, change) => {
    const { userName, user_id } = await newSeller();
    const fields = {
      userName,
      image_count: '1',
      image_cost: '0.1',
      timestamp: '2026-01-05 09:30:00',
      event_id: 'e',
    };
    const first = await api.form(fields);
    const expectRefusals = async () => {
      for (const client of [api, other]) {
        const answer = await client.form({ ...fields, ...change });
        expect([answer.status, answer.text]).toEqual([422, CONFLICT]);
      }
      expect(await batchOf([{ ...fields, ...change }])).toEqual([
        { status: 'refused', reason: 'This event id was used before with other fields' },
      ]);
      expect((await api.form(fields)).text).toBe(first.text);
    };
    await expectRefusals();
    await store(user_id, 1);
    await expectRefusals();
    expect(await api.stats(userName)).toEqual(sums('1', '0.1', '0', '0', '0.1'));
  });

  test('without a moment is the same whenever it comes, and gets the moment of the first', async () => {
    const { userName, user_id } = await newSeller();
    const fields = { userName, image_count: '1', event_id: 'e' };
    const first = await api.form(fields);
    await waitFor('another second', async () =>
      new Date().getSeconds() !== Number(first.text.slice(-6, -4)) ? true : undefined,
    );
    expect((await other.form(fields)).text).toBe(first.text);
    await store(user_id, 1);
    expect((await other.form(fields)).text).toBe(first.text);
  });

  test('a refusal burns no id', async () => {
    const { userName } = await newSeller();
    expect((await api.form({ userName, image_cost: 'x', event_id: 'e' })).status).toBe(400);
    expect((await api.form({ userName, image_cost: '1', event_id: 'e' })).status).toBe(200);
  });
});

describe('ids', () => {
  test('belong to their user', async () => {
    const [one, two] = [await newSeller(), await newSeller()];
    const ids = [one, two].map(async ({ userName }) =>
      recordIdOf(await api.form({ userName, image_count: String(userName.length), event_id: 'shared' })),
    );
    expect(new Set(await Promise.all(ids)).size).toBe(2);
  });

  test('may be any text: no key, pattern or separator in it means anything', async () => {
    const { userName, user_id } = await newSeller();
    const odd = [
      '1:2',
      `${user_id}:event:x`,
      'a|b',
      '*',
      '$ne',
      '__proto__',
      '{tag}',
      '5',
      'ü',
      '💧',
      '"',
      "'",
      '\\',
      'x'.repeat(200),
    ];
    const first = await batchOf(odd.map((event_id) => ({ userName, event_id })));
    expect(first.map((result: { status: string }) => result.status)).toEqual(odd.map(() => 'accepted'));
    const again = await batchOf(odd.map((event_id) => ({ userName, event_id })));
    expect(again.map((result: { record_id: string }) => result.record_id)).toEqual(
      first.map((result: { record_id: string }) => result.record_id),
    );
  });

  test.each([
    ['too long', 'x'.repeat(201)],
    ['with a control character', 'a\u0007b'],
    ['that lost a character on its way', 'caf\uFFFD'],
  ])('%s are refused', async (_what, event_id) => {
    const { userName } = await newSeller();
    const answer = await api.form({ userName, event_id });
    expect([answer.status, answer.text]).toEqual([400, refusal('Invalid value for event_id')]);
  });

  test('in other bytes than UTF-8 are refused, because two of them would read as one', async () => {
    const { userName } = await newSeller();
    for (const byte of ['%E8', '%E9']) {
      const answer = await api.post(
        `userName=${userName}&event_id=caf${byte}`,
        'application/x-www-form-urlencoded',
      );
      expect([answer.status, answer.text]).toEqual([400, refusal('Invalid value for event_id')]);
    }
  });

  test('in field and header have to be the same', async () => {
    const { userName } = await newSeller();
    const answer = await api.form({ userName, event_id: 'a' }, { 'Idempotency-Key': 'b' });
    expect([answer.status, answer.text]).toEqual([400, refusal('event_id and Idempotency-Key differ')]);
    for (const key of ['', 'x'.repeat(201)]) {
      const refused = await api.form({ userName }, { 'Idempotency-Key': key });
      expect([refused.status, refused.text]).toEqual([400, refusal('Invalid value for Idempotency-Key')]);
    }
  });

  test('of a batch come from its key where events have none, so that the whole batch can be sent again', async () => {
    const { userName, user_id } = await newSeller();
    const events = [{ userName }, { userName, event_id: 'own' }, { userName: 'nobody' }, { userName }];
    const first = await batchOf(events, { 'Idempotency-Key': 'batch 1' });
    const again = await batchOf(events, { 'Idempotency-Key': 'batch 1' });
    const statuses = (results: { status: string }[]) => results.map((result) => result.status);
    expect(statuses(first)).toEqual(['accepted', 'accepted', 'refused', 'accepted']);
    expect(statuses(again)).toEqual(['duplicate', 'duplicate', 'refused', 'duplicate']);
    expect(statuses(await batchOf(events, { 'Idempotency-Key': 'batch 2' }))).toEqual([
      'accepted',
      'duplicate',
      'refused',
      'accepted',
    ]);
    await store(user_id, 5);
  });

  test('twice in one batch are one event, with other fields a refusal', async () => {
    const { userName, user_id } = await newSeller();
    const event = { userName, image_count: 1, event_id: 'twin' };
    const results = await batchOf([event, event, { ...event, image_count: 2 }]);
    expect(results).toEqual([
      { status: 'accepted', record_id: results[0].record_id },
      { status: 'duplicate', record_id: results[0].record_id },
      { status: 'refused', reason: 'This event id was used before with other fields' },
    ]);
    await store(user_id, 1);
  });
});

test('repeats that come at the same moment count once while they wait, also voids', async () => {
  const { userName, user_id } = await newSeller();
  const fields = { userName, image_count: '1', image_cost: '0.3', event_id: 'burst' };
  await Promise.all(Array.from({ length: 60 }, (_, index) => (index % 2 ? api : other).form(fields)));
  expect(await api.stats(userName)).toEqual(sums('1', '0.3', '0', '0', '0.3'));
  const recordId = recordIdOf(await postUntilTaken(fields));
  const voidPath = `/api/tools/records/${recordId}/void`;
  await Promise.all(
    Array.from({ length: 30 }, (_, index) => (index % 2 ? api : other).operate(voidPath, { method: 'POST' })),
  );
  expect((await api.operate(voidPath, { method: 'POST' })).status).toBe(200);
  expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
  await store(user_id, 2);
  expect(await api.stats(userName)).toEqual(sums('0', '0', '0', '0', '0'));
});

test('a hundred parallel posts of one id through two processes, while workers store, are one row and one answer', async () => {
  const { userName, user_id } = await newSeller();
  const stop = await startLocalWorkers(system, {}, ['usage']);
  try {
    for (let round = 1; round <= 3; round++) {
      const fields = { userName, image_count: '1', image_cost: '0.3', event_id: `race ${round}` };
      const posts = Array.from({ length: 100 }, (_, index) => (index % 2 ? api : other).form(fields));
      const answers = await Promise.all(posts);
      // On a busy machine some are told to come back, which is no answer yet.
      const answered = answers.filter((answer) => answer.status !== 503 && answer.status !== 409);
      const last = await postUntilTaken(fields);
      expect(answered.filter((answer) => answer.text !== last.text)).toEqual([]);
      await waitFor('the row', async () => ((await rowsOf(user_id)) >= round ? true : undefined));
    }
  } finally {
    await stop();
  }
  await store(user_id, 3);
  expect(await api.stats(userName)).toEqual(sums('3', '0.9', '0', '0', '0.9'));
});

test('a web process that is killed between claim and queue leaves a claim, and the retry its one row', async () => {
  const { userName, user_id } = await newSeller();
  const claims = `${queuePrefix(system.prefix, usageQueue.name)}:event-claims`;
  const doomed = await system.startWeb();
  const doomedApi = new UsageApi(doomed.url, system.adminKey);
  const ids = Array.from({ length: 400 }, (_, index) => `kill ${index}`);
  const answered = new Map<string, number>();
  const posting = inParallel(ids, 64, async (event_id) => {
    const answer = await doomedApi.form({ userName, image_count: '1', event_id }).catch(() => undefined);
    if (answer?.status === 200) answered.set(event_id, recordIdOf(answer));
    if (answered.size === 40) doomed.kill('SIGKILL');
  });
  await posting;
  await doomed.exited;
  // What the process would have left if it had died a moment earlier: a claim whose job was never added.
  const claimed = { event_id: 'only claimed', record_id: 1_000_000_007 };
  const event = { user_id, received_at: 1, at: 0, timestamp_sent: false, image_count: 1, image_cost: 0 };
  await system.redis.hset(
    claims,
    `${user_id}:event:${claimed.event_id}`,
    `${claimed.record_id}|${JSON.stringify({ ...event, ...claimed, video_count: 0, video_cost: 0, total_cost: 0 })}`,
  );
  answered.set(claimed.event_id, claimed.record_id);
  const held = new Map(
    Object.values(await system.redis.hgetall(claims)).map((text) => {
      const holder = JSON.parse(text.slice(text.indexOf('|') + 1));
      return [holder.event_id, holder.record_id] as const;
    }),
  );
  const retried = [...ids, claimed.event_id];
  await inParallel(retried, 32, async (event_id) => {
    const recordId = recordIdOf(await postUntilTaken({ userName, image_count: '1', event_id }));
    expect(recordId).toBe(answered.get(event_id) ?? held.get(event_id) ?? recordId);
  });
  expect(await api.stats(userName)).toEqual(sums('401', '0', '0', '0', '0'));
  await store(user_id, 401);
  expect(await api.stats(userName)).toEqual(sums('401', '0', '0', '0', '0'));
});

test('the same job delivered twice more is stored once', async () => {
  const { userName, user_id } = await newSeller();
  const connection = new Redis(system.redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue(usageQueue.name, {
    connection,
    prefix: queuePrefix(system.prefix, usageQueue.name),
  });
  await batchOf([
    { userName, image_count: 1, image_cost: '0.1' },
    { userName, image_count: 1, event_id: 'e' },
  ]);
  for (const job of await queue.getWaiting()) {
    for (let copy = 0; copy < 2; copy++) await queue.add(job.name, job.data);
  }
  await store(user_id, 2);
  expect(await api.stats(userName)).toEqual(sums('2', '0.1', '0', '0', '0.1'));
  await queue.close();
  connection.disconnect();
});

test('record ids and stored event ids outlive the loss of Redis and a restart', async () => {
  const { userName, user_id } = await newSeller();
  const fields = { userName, image_count: '1', event_id: 'kept' };
  const first = await api.form(fields);
  await store(user_id, 1);
  const seen = new Set([recordIdOf(first), (await api.report({ userName })).recordId]);
  for await (const keys of system.redis.scanStream({ match: `{${system.prefix}:*`, count: 1_000 })) {
    if (keys.length > 0) await system.redis.unlink(...keys);
  }
  expect((await api.form(fields)).text, 'the stored row stands for the id').toBe(first.text);
  const restarted = await system.startWeb();
  for (const client of [api, other, new UsageApi(restarted.url, '')]) {
    for (let post = 0; post < 60; post++) {
      const { recordId } = await client.report({ userName, image_count: 1 });
      expect(seen.has(recordId), `record ${recordId}`).toBe(false);
      seen.add(recordId);
    }
  }
  await restarted.stop();
  await store(user_id, 181);
});
