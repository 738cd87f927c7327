import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EmbeddedServer } from '../../embedded/embeddedServer.ts';
import { startRedis } from '../../embedded/redis.ts';
import type { TestProcess } from '../support/processes.ts';
import { seededRandom } from '../support/seededRandom.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { FormPoster, inParallel, shuffled } from '../support/usageLoad.ts';
import { waitFor } from '../support/waitFor.ts';

/**
 * Ten thousand posts of eight thousand events, a fifth of them repeats, shuffled, some of them months late, while two
 * workers are killed again and again and Redis is killed once. In the end every sum is the brute-force sum.
 */
const EVENTS = 8_000;
const REPEATS = 2_000;
const POSTS_PER_SECOND = 600;
/** Posts between two kills, which is a few seconds apart: on a slow machine the kills are as many, only later. */
const POSTS_PER_KILL = 1_500;
const REDIS_KILLED_AFTER_POSTS = 4_200;
const SEED = 20_260_105;
const ZONE = 'Asia/Ho_Chi_Minh';

const sellers = [1, 2, 3, 4, 5].map((id) => ({ user_id: id, user_name: `seller.${id}@example.test` }));

interface TestEvent {
  readonly event_id: string;
  readonly userName: string;
  readonly timestamp: string;
  readonly image_count: number;
  readonly imageTenThousandths: number;
  readonly video_count: number;
  readonly videoHundredths: number;
}

let dir: string;
let redis: EmbeddedServer;
let system: TestSystem;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-exactness-'));
  redis = await startRedis({ dir });
  system = await createTestSystem('exactness', { redisUrl: redis.url });
  await system.addUsers(sellers);
});

afterAll(async () => {
  await system.remove();
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
});

test('totals are the brute-force sums after duplicates, shuffling, late events and kills', async () => {
  const random = seededRandom(SEED);
  const now = Date.now();
  const events = Array.from({ length: EVENTS }, (_, index) => makeEvent(index, now, random));
  const repeats = Array.from({ length: REPEATS }, () => events[Math.floor(random() * EVENTS)]).flatMap(
    (event) => event ?? [],
  );
  const posts = shuffled([...events, ...repeats], random);

  const web = await system.startWeb();
  const chaos = new Chaos(await Promise.all([system.startWorker(), system.startWorker()]));
  const poster = new FormPoster(() => `${web.url}/api/tools/update`);
  let redisKill: Promise<void> | undefined;
  const recordIds = new Map<string, number>();
  const mismatches: { event: string; first: number; recordId: number }[] = [];
  let started = 0;
  const begin = performance.now();
  await inParallel(posts, 32, async (event) => {
    started += 1;
    if (started % POSTS_PER_KILL === 0) chaos.killNext();
    if (started === REDIS_KILLED_AFTER_POSTS) redisKill = killRedis();
    const due = (started / POSTS_PER_SECOND) * 1_000 - (performance.now() - begin);
    if (due > 0) await wait(due);
    const recordId = await postUntilTaken(poster, event);
    const first = recordIds.get(event.event_id);
    if (first !== undefined && first !== recordId)
      mismatches.push({ event: event.event_id, first, recordId });
    recordIds.set(event.event_id, recordId);
  });
  await redisKill;
  await chaos.over();
  poster.close();
  expect(mismatches, 'a repeat gets the record of the first').toEqual([]);

  const records = system.connection.collection('usage_records');
  await waitFor(
    'every event is stored',
    async () => ((await records.countDocuments()) === EVENTS ? true : undefined),
    240_000,
  );
  expect(new Set(recordIds.values()).size).toBe(EVENTS);

  for (const seller of sellers) {
    const own = events.filter((event) => event.userName === seller.user_name);
    for (const query of periods(now)) {
      const answer = await statsOf(web.url, seller.user_name, query);
      const within = own.filter((event) => isWithin(event, answer.filter));
      expect(answer.stats, `${seller.user_name} ${query}`).toEqual(bruteForce(within));
    }
  }
});

/** Kills workers in turns, and starts a new one for each. */
class Chaos {
  readonly #workers: TestProcess[];
  #turn = 0;
  #killing = Promise.resolve();

  constructor(workers: TestProcess[]) {
    this.#workers = workers;
  }

  /** As soon as the one that was killed before has its successor. */
  killNext(): void {
    const turn = this.#turn++ % this.#workers.length;
    this.#killing = this.#killing.then(async () => {
      const worker = this.#workers[turn];
      worker?.kill('SIGKILL');
      await worker?.exited;
      this.#workers[turn] = await system.startWorker();
    });
  }

  over(): Promise<void> {
    return this.#killing;
  }
}

async function killRedis(): Promise<void> {
  const { port } = redis;
  process.kill(redis.pid, 'SIGKILL');
  await redis.exited;
  redis = await startRedis({ dir, port });
}

/** As a client does that keeps its data: until it is taken. */
async function postUntilTaken(poster: FormPoster, event: TestEvent): Promise<number> {
  for (;;) {
    const outcome = await poster.post({
      userName: event.userName,
      event_id: event.event_id,
      timestamp: event.timestamp,
      image_count: String(event.image_count),
      image_cost: decimal(event.imageTenThousandths, 4),
      video_count: String(event.video_count),
      video_cost: decimal(event.videoHundredths, 2),
    });
    if (outcome.status === 200) return Number(JSON.parse(outcome.body).data.record_id);
    expect(outcome.status, outcome.body).toBe(503);
    await wait(250);
  }
}

function makeEvent(index: number, now: number, random: () => number): TestEvent {
  const late = random() < 0.2 ? random() * 400 : random() * 20;
  const at = new Date(now - late * 86_400_000);
  const seller = sellers[Math.floor(random() * sellers.length)] ?? { user_name: '' };
  return {
    event_id: `event-${index}`,
    userName: seller.user_name,
    timestamp: wallClock(at),
    image_count: Math.floor(random() * 5),
    imageTenThousandths: Math.floor(random() * 20_000),
    video_count: Math.floor(random() * 3),
    videoHundredths: Math.floor(random() * 100_000),
  };
}

const formatter = new Intl.DateTimeFormat('sv-SE', {
  timeZone: ZONE,
  dateStyle: 'short',
  timeStyle: 'medium',
});

function wallClock(at: Date): string {
  return formatter.format(at);
}

function periods(now: number): string[] {
  const day = (ago: number) => wallClock(new Date(now - ago * 86_400_000)).slice(0, 10);
  const named = ['today', 'yesterday', 'this_week', 'last_week', 'this_month', 'last_month', 'all_time'];
  const ranges = [
    [10, 0],
    [45, 12],
    [400, 1],
    [3, 3],
    [200, 60],
  ];
  return [
    '',
    ...named.map((period) => `?period=${period}`),
    ...ranges.map(([from = 0, to = 0]) => `?date_from=${day(from)}&date_to=${day(to)}`),
  ];
}

interface StatsAnswer {
  readonly filter: { readonly date_from: string | null; readonly date_to: string | null };
  readonly stats: Readonly<Record<string, string>>;
}

/** Numbers as they were printed, so that no float stands between. */
async function statsOf(url: string, userName: string, query: string): Promise<StatsAnswer> {
  const response = await fetch(`${url}/api/tools/stats/${userName}${query}`);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const keepDigits = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' ? context?.source : value;
  return JSON.parse(text, keepDigits).data;
}

function isWithin(event: TestEvent, filter: StatsAnswer['filter']): boolean {
  const day = event.timestamp.slice(0, 10);
  return (
    (filter.date_from === null || day >= filter.date_from) &&
    (filter.date_to === null || day <= filter.date_to)
  );
}

function bruteForce(events: readonly TestEvent[]): Record<string, string> {
  const sum = (of: (event: TestEvent) => number) =>
    events.reduce((total, event) => total + BigInt(of(event)), 0n);
  const image = sum((event) => event.imageTenThousandths);
  const video = sum((event) => event.videoHundredths);
  return {
    total_image_count: String(sum((event) => event.image_count)),
    total_image_cost: shortest(image, 4),
    total_video_count: String(sum((event) => event.video_count)),
    total_video_cost: shortest(video, 2),
    total_cost: shortest(image + video * 100n, 4),
  };
}

function decimal(units: number, decimals: number): string {
  return `${Math.floor(units / 10 ** decimals)}.${String(units % 10 ** decimals).padStart(decimals, '0')}`;
}

function shortest(units: bigint, decimals: number): string {
  const scale = 10n ** BigInt(decimals);
  const fraction = String(units % scale)
    .padStart(decimals, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(units / scale) : `${units / scale}.${fraction}`;
}
