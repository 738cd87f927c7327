import { expect, onTestFinished, test } from 'vitest';
import { BatchFeed, type BatchFeedOptions } from '../../src/api/live/batchFeed.ts';
import { LiveSession } from '../../src/api/live/liveSession.ts';
import type { IconBatch } from '../../src/domain/icons/batch.ts';
import type { BatchEvent } from '../../src/domain/icons/events.ts';
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
  return { feed, state, add, signal: () => feed.signal({ batch_id: BATCH, owner: 'owner' }) };
}

function watch(feed: BatchFeed, after_seq: number, most = Number.POSITIVE_INFINITY) {
  const seen: number[] = [];
  const room = { left: most };
  const watching = feed.watch({
    batch_id: BATCH,
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
const hasSeen = (seen: readonly number[], count: number) =>
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

test('one connection follows 100 batches; what has ended makes room, what runs does not', async () => {
  const { feed } = openFeed({ mostWatchers: 1_000 });
  const batches = new Map<string, IconBatch>();
  const session = new LiveSession({
    feed,
    findBatch: async (batchId) => batches.get(batchId),
    listActive: async () => [],
    send: () => true,
    onError: (error) => expect.unreachable(String(error)),
  });
  await session.identify({ owner: 'owner', sees_all: false });
  const join = (batch_id: string, status: IconBatch['status']) => {
    batches.set(batch_id, { ...RUNNING, batch_id, status });
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

const RUNNING: IconBatch = {
  batch_id: '',
  owner: 'owner',
  status: 'running',
  categories: ['tools'],
  variations: 1,
  style: 'modern',
  color_scheme: 'brand_colors',
  metadata: null,
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
  event_seq: 0,
  error: null,
  credits_user_id: null,
  reservation_id: null,
  settled: false,
};
