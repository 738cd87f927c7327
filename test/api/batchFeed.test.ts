import { expect, onTestFinished, test } from 'vitest';
import { BatchFeed, type BatchFeedOptions } from '../../src/api/live/batchFeed.ts';
import { LiveSession } from '../../src/api/live/liveSession.ts';
import type { IconBatch } from '../../src/domain/icons/batch.ts';
import type { BatchEvent, BatchEventContent } from '../../src/domain/icons/events.ts';
import type { Reach } from '../../src/domain/icons/reach.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { waitFor } from '../support/waitFor.ts';

const BATCH = 'batch-1';

/** A store of events, and a feed of it that is signalled and rechecked by hand. */
function openFeed(options: Partial<BatchFeedOptions> = {}) {
  const events: BatchEvent[] = [];
  const state = { isAway: false, reads: 0 };
  const feed = new BatchFeed({
    readEvents: async (batchId, afterSeq, limit) => {
      state.reads += 1;
      if (state.isAway) throw new ServiceUnavailableError('away', 1);
      return events.filter((event) => event.batch_id === batchId && event.seq > afterSeq).slice(0, limit);
    },
    readLastSeqs: async () => new Map([[BATCH, events.length]]),
    readActive: async (owners) => owners.map((owner) => ({ batch_id: BATCH, owner })),
    mostWatchers: 3,
    mostWatchersOfCaller: 1_000,
    recheckMilliseconds: 3_600_000,
    logger: createLogger('test', 'silent'),
    ...options,
  });
  onTestFinished(() => feed.close());
  function add(count: number): void {
    for (let line = 0; line < count; line += 1) {
      const seq = events.length + 1;
      const data = { job_id: BATCH, line: `${seq}` };
      events.push({ batch_id: BATCH, seq, at: seq, type: 'job_output', data });
    }
  }
  function addEnd(): void {
    const seq = events.length + 1;
    const data = { job_id: BATCH, summary: 'done' };
    events.push({ batch_id: BATCH, seq, at: seq, type: 'job_completed', data });
  }
  return { feed, state, add, addEnd, signal: () => feed.signal({ batch_id: BATCH, owner: 'owner' }) };
}

function watch(feed: BatchFeed, after_seq: number, most = Number.POSITIVE_INFINITY) {
  const seen: number[] = [];
  const room = { left: most };
  const watching = feed.watch({
    batch_id: BATCH,
    watched_by: 'somebody',
    after_seq,
    take({ seq }) {
      seen.push(seq);
      room.left -= 1;
      return room.left > 0;
    },
  });
  return { seen, room, ...watching };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, place) => from + place);
const hasSeen = (seen: readonly unknown[], count: number) =>
  waitFor(`${count} events`, async () => seen.length >= count || undefined);

test('each watcher gets what comes after its number, once and in order, over many pages', async () => {
  const { feed, add, signal } = openFeed();
  add(650);
  const all = watch(feed, 0);
  const late = watch(feed, 600);
  await hasSeen(all.seen, 650);
  signal();
  signal();
  add(5);
  signal();
  await hasSeen(all.seen, 655);
  await hasSeen(late.seen, 55);
  expect(all.seen).toEqual(range(1, 655));
  expect(late.seen).toEqual(range(601, 655));
});

test('a watcher that is full is given nothing until it resumes, and holds up nobody', async () => {
  const { feed, add, signal } = openFeed();
  add(30);
  const slow = watch(feed, 0, 10);
  const fast = watch(feed, 0);
  await hasSeen(fast.seen, 30);
  add(1);
  signal();
  await hasSeen(fast.seen, 31);
  expect(slow.seen).toEqual(range(1, 10));
  slow.room.left = 1_000;
  slow.resume();
  await hasSeen(slow.seen, 31);
  expect(slow.seen).toEqual(range(1, 31));
});

test('what was lost with a signal, or while the store was away, comes with the next look', async () => {
  const { feed, state, add, signal } = openFeed();
  const { seen } = watch(feed, 0);
  const told: string[] = [];
  feed.watchOwner('owner', (batchId) => told.push(batchId));
  add(2);
  feed.recheck();
  await hasSeen(seen, 2);
  state.isAway = true;
  add(1);
  const { reads } = state;
  signal();
  await waitFor('a read that fails', async () => state.reads > reads || undefined);
  state.isAway = false;
  await waitFor('a look', async () => {
    feed.recheck();
    return seen.length === 3 || undefined;
  });
  expect(seen).toEqual([1, 2, 3]);
  expect(told).toContain(BATCH);
});

test('after a stop nothing is given, nor is anything read', async () => {
  const { feed, state, add, signal } = openFeed();
  const { seen, stop } = watch(feed, 0);
  const other = watch(feed, 0);
  stop();
  add(3);
  signal();
  await hasSeen(other.seen, 3);
  expect(seen).toEqual([]);
  other.stop();
  const { reads } = state;
  signal();
  feed.recheck();
  expect(state.reads).toBe(reads);
});

test('a process admits so many watchers, and none when it ends', () => {
  const { feed } = openFeed();
  const watches = [watch(feed, 0), watch(feed, 0), watch(feed, 0)];
  expect(() => watch(feed, 0)).toThrow(ServiceUnavailableError);
  expect(() => feed.watchOwner('owner', () => undefined)).toThrow(ServiceUnavailableError);
  watches[0]?.stop();
  watches[0]?.stop();
  const again = watch(feed, 0);
  expect(() => watch(feed, 0)).toThrow(ServiceUnavailableError);
  again.stop();
  let ended = false;
  feed.onClose(() => {
    ended = true;
  });
  feed.close();
  expect(ended).toBe(true);
  expect(() => watch(feed, 0)).toThrow(ServiceUnavailableError);
});

/** A session on stored batches that writes down what it sends. */
function openSession(feed: BatchFeed) {
  const batches = new Map<string, IconBatch>();
  const sent: BatchEventContent[] = [];
  const state = { reads: 0 };
  const session = new LiveSession({
    feed,
    findBatch: async (batchId) => {
      state.reads += 1;
      return batches.get(batchId);
    },
    listActive: async () => [],
    send: (event) => {
      sent.push(event);
      return true;
    },
    onError: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(() => session.close());
  return {
    session,
    sent,
    state,
    store: (batch: Partial<IconBatch>) => {
      const stored = { ...RUNNING, batch_id: BATCH, ...batch };
      batches.set(stored.batch_id, stored);
    },
  };
}

const OWNER: Reach = { owner: 'owner', sees_all: false };
const typesOf = (sent: readonly BatchEventContent[]) => sent.map(({ type }) => type);

test('one connection follows 100 batches; what has ended makes room, what runs does not', async () => {
  const { feed } = openFeed({ mostWatchers: 1_000 });
  const { session, store } = openSession(feed);
  await session.identify(OWNER);
  const join = (batch_id: string, status: IconBatch['status']) => {
    store({ batch_id, status });
    return session.join(batch_id);
  };
  for (const place of range(1, 99)) expect(await join(`running-${place}`, 'running')).toBe('joined');
  expect(await join('ended', 'completed')).toBe('joined');
  expect(await join('one-more', 'running')).toBe('joined');
  expect(await join('too-many', 'running')).toBe('too-many');
  session.leave('running-7');
  expect(await join('too-many', 'running')).toBe('joined');
  session.close();
  expect(() => range(1, 999).forEach(() => void watch(feed, 0))).not.toThrow();
});

test('nobody makes the store look for a batch without a credential', async () => {
  const { session, store, state } = openSession(openFeed().feed);
  store({});
  expect(await session.join(BATCH)).toBe('refused');
  expect(state.reads).toBe(0);
  await session.identify(OWNER);
  expect(await session.join(BATCH)).toBe('joined');
  session.forget();
  expect(await session.join(BATCH)).toBe('refused');
});

test('whoever joins is told the current state, also of what was followed before, and of what has ended', async () => {
  const { feed, add, addEnd, signal } = openFeed();
  const { session, sent, store } = openSession(feed);
  await session.identify(OWNER);
  store({ created_at: Date.now() });
  signal();
  await session.join(BATCH);
  expect(sent).toMatchObject([{ type: 'batch_progress', data: { completed: 0, status: 'running' } }]);
  add(2);
  store({ created_at: Date.now(), event_seq: 2, successful: 1 });
  // The events that are part of the state come before it.
  await session.join(BATCH);
  await hasSeen(sent, 4);
  expect(typesOf(sent)).toEqual(['batch_progress', 'job_output', 'job_output', 'batch_progress']);
  expect(sent[3]).toMatchObject({ data: { completed: 1 } });
  addEnd();
  signal();
  await hasSeen(sent, 5);
  store({ created_at: Date.now(), event_seq: 3, successful: 1, status: 'completed' });
  await session.join(BATCH);
  expect(typesOf(sent).slice(4)).toEqual(['job_completed', 'batch_progress', 'job_completed']);
  expect(sent[5]).toMatchObject({ data: { progress: 100, status: 'completed' } });
});

test('whoever comes back to a batch is told its state, not everything from its start', async () => {
  const { feed, add, signal } = openFeed();
  const { session, sent, store } = openSession(feed);
  await session.identify(OWNER);
  add(3);
  store({ created_at: Date.now(), event_seq: 3, successful: 1 });
  signal();
  await hasSeen(sent, 3);
  session.leave(BATCH);
  await session.join(BATCH);
  add(1);
  signal();
  await hasSeen(sent, 5);
  expect(typesOf(sent.slice(3))).toEqual(['batch_progress', 'job_output']);
  expect(sent[4]).toMatchObject({ data: { line: '4' } });
});

test('a batch that has ended takes up no watcher, and its retry is told from where it stood', async () => {
  const { feed, add, addEnd, signal } = openFeed({ mostWatchers: 2 });
  const { session, sent, store } = openSession(feed);
  await session.identify(OWNER);
  for (const batch_id of ['one', 'two', 'three']) {
    store({ batch_id, status: 'completed' });
    expect(await session.join(batch_id)).toBe('joined');
  }
  expect(typesOf(sent)).toEqual(Array(3).fill(['batch_progress', 'job_completed']).flat());
  store({ created_at: Date.now(), event_seq: 0 });
  signal();
  add(1);
  addEnd();
  signal();
  await hasSeen(sent, 8);
  // It took the last place, and has given it back.
  watch(feed, 0).stop();
  store({ round: 2, event_seq: 3 });
  add(1);
  signal();
  await hasSeen(sent, 9);
  expect(sent[8]).toMatchObject({ type: 'job_output', data: { line: '3' } });
});

test('one caller takes up so many watchers, on all connections together', async () => {
  const { feed } = openFeed({ mostWatchers: 100, mostWatchersOfCaller: 3 });
  const [one, other, stranger] = [openSession(feed), openSession(feed), openSession(feed)];
  for (const { session, store } of [one, other]) {
    await session.identify(OWNER);
    store({ owner: 'owner' });
  }
  expect(await one.session.join(BATCH)).toBe('joined');
  expect(await other.session.join(BATCH)).toBe('unavailable');
  await stranger.session.identify({ owner: 'stranger', sees_all: false });
  stranger.store({ owner: 'stranger' });
  expect(await stranger.session.join(BATCH)).toBe('joined');
  one.session.close();
  expect(await other.session.join(BATCH)).toBe('joined');
});

test('to resume what was not full reads nothing', async () => {
  const { feed, state, add } = openFeed();
  add(1);
  const one = watch(feed, 0);
  await hasSeen(one.seen, 1);
  const { reads } = state;
  one.resume();
  const other = watch(feed, 0);
  await hasSeen(other.seen, 1);
  expect(state.reads).toBe(reads + 1);
});

const RUNNING: IconBatch = {
  batch_id: '',
  owner: 'owner',
  status: 'running',
  categories: ['tools'],
  variations: 1,
  style: 'modern',
  color_scheme: 'brand_colors',
  total: 1,
  successful: 0,
  failed: 0,
  cancelled: 0,
  concurrency: 1,
  current_category: null,
  created_at: 0,
  started_at: 0,
  completed_at: null,
  progressed_at: 0,
  round: 1,
  round_started_at: 0,
  done_before_round: 0,
  event_seq: 0,
  error: null,
  credits_user_id: null,
  reservation_id: null,
  settled: false,
};
