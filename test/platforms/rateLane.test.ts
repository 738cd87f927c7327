import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { LaneRests } from '../../src/platforms/images/laneRests.ts';
import { type LaneLimits, RateLane } from '../../src/platforms/images/rateLane.ts';
import { RESERVE } from '../../src/platforms/images/rateLaneScripts.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import type { Granted } from '../support/rateLaneWorker.ts';
import { uniqueName } from '../support/testSystem.ts';

const MINUTE = 60_000;
const TICK = 50;

const redisUrl = process.env['REDIS_URL'] ?? '';
let redis: Redis;
beforeAll(() => {
  redis = new Redis(redisUrl);
});
afterAll(() => redis.quit());

function newPrefix(): string {
  const prefix = uniqueName('lane');
  onTestFinished(async () => {
    const keys = await redis.keys(`{${prefix}:icons}*`);
    if (keys.length > 0) await redis.del(...keys);
  });
  return prefix;
}

/** A lane on a clock of its own. */
function openLane(limits: Partial<LaneLimits> = {}) {
  const clock = { now: 1_000_000 };
  const all = { requests: 1_000, tokens: 1_000_000, images: 1_000, ...limits };
  const prefix = newPrefix();
  return { lane: new RateLane(redis, prefix, 'model', all, () => clock.now), clock, prefix };
}

/** Reserves as often as it goes at this moment. */
async function takeAll(lane: RateLane, tokens = 10): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const reservation = await lane.reserve({ tokens });
    if (reservation.kind !== 'reserved') return ids;
    ids.push(reservation.id);
  }
}

/** Reserves whatever goes in so many seconds. */
async function takeFor(
  lane: RateLane,
  clock: { now: number },
  seconds: number,
  tokens = 10,
): Promise<string[]> {
  const ids: string[] = [];
  const end = clock.now + seconds * 1_000;
  for (; clock.now <= end; clock.now += 100) ids.push(...(await takeAll(lane, tokens)));
  return ids;
}

/** What the lane sends to Redis to reserve once: the four keys and the arguments of the script. */
async function sentToReserve(lane: RateLane): Promise<string[]> {
  const monitor = await redis.monitor();
  const sent = new Promise<string[]>((resolve) => {
    monitor.on('monitor', (_time: string, [command, script = '', , ...rest]: string[]) => {
      if (command?.toLowerCase() === 'eval' && script.includes('ARGV[8]')) resolve(rest);
    });
  });
  try {
    expect(await lane.reserve({ tokens: 10 })).toMatchObject({ kind: 'reserved' });
    return await sent;
  } finally {
    monitor.disconnect();
  }
}

/** @param seed - of what the process asks for and how long it takes: the same in every run of the test */
async function startWorker(
  prefix: string,
  limits: LaneLimits,
  bounds: readonly [number, number],
  seed: number,
): Promise<ChildProcess> {
  const worker = fork('test/support/rateLaneWorker.ts', [
    redisUrl,
    prefix,
    JSON.stringify(limits),
    JSON.stringify(bounds),
    String(seed),
  ]);
  onTestFinished(() => {
    worker.kill('SIGKILL');
  });
  await once(worker, 'message');
  return worker;
}

async function tick(worker: ChildProcess, now: number): Promise<Granted[]> {
  const answer = once(worker, 'message');
  worker.send(now);
  const [granted] = await answer;
  return granted;
}

/** Runs the processes for three minutes of their clock; in the middle one is killed and another takes its place. */
async function runThreeMinutes(limits: LaneLimits, bounds: readonly [number, number]): Promise<Granted[]> {
  const prefix = newPrefix();
  const workers = await Promise.all([1, 2, 3, 4].map((seed) => startWorker(prefix, limits, bounds, seed)));
  const granted: Granted[] = [];
  const begin = 1_000_000;
  for (let now = begin; now < begin + 3 * MINUTE; now += TICK) {
    granted.push(...(await Promise.all(workers.map((worker) => tick(worker, now)))).flat());
    if (now === begin + 1.5 * MINUTE) {
      workers[0]?.kill('SIGKILL');
      workers[0] = await startWorker(prefix, limits, bounds, 5);
    }
  }
  return granted.map(({ at, tokens }) => ({ at: at - begin, tokens }));
}

interface Use {
  readonly requests: number;
  readonly tokens: number;
}

/** Counted anew for every minute that ends with a request. */
function busiestMinute(granted: readonly Granted[]): Use {
  let busiest: Use = { requests: 0, tokens: 0 };
  for (const { at } of granted) {
    const minute = granted.filter((other) => other.at <= at && other.at > at - MINUTE);
    const tokens = minute.reduce((sum, other) => sum + other.tokens, 0);
    busiest = {
      requests: Math.max(busiest.requests, minute.length),
      tokens: Math.max(busiest.tokens, tokens),
    };
  }
  return busiest;
}

/** Of every minute that begins with a tick and ends within the three. */
function quietestMinute(granted: readonly Granted[]): Use {
  let quietest: Use = { requests: Number.POSITIVE_INFINITY, tokens: Number.POSITIVE_INFINITY };
  for (let begin = 0; begin <= 2 * MINUTE; begin += TICK) {
    const minute = granted.filter(({ at }) => at >= begin && at < begin + MINUTE);
    const tokens = minute.reduce((sum, other) => sum + other.tokens, 0);
    quietest = {
      requests: Math.min(quietest.requests, minute.length),
      tokens: Math.min(quietest.tokens, tokens),
    };
  }
  return quietest;
}

const LIMITS = { requests: 50, tokens: 40_000, images: 50 };

test('four processes that are short of requests: no minute above the limit, more than 90 % of it over all, and no minute idle', async () => {
  const granted = await runThreeMinutes(LIMITS, [400, 700]);
  const busiest = busiestMinute(granted);
  const quietest = quietestMinute(granted);
  console.info(
    `requests: ${granted.length} in 3 minutes, ${quietest.requests} to ${busiest.requests} in any minute`,
  );
  expect(busiest.requests).toBeLessThanOrEqual(LIMITS.requests);
  expect(busiest.tokens).toBeLessThanOrEqual(LIMITS.tokens);
  expect(granted.length).toBeGreaterThanOrEqual(0.9 * 3 * LIMITS.requests);
  // Without an even pace a minute would begin right after a burst, and have nothing.
  expect(quietest.requests).toBeGreaterThanOrEqual(0.85 * LIMITS.requests);
});

test('four processes that are short of tokens: no minute above the limit, and more than 90 % of it over all', async () => {
  const granted = await runThreeMinutes(LIMITS, [1_000, 2_000]);
  const busiest = busiestMinute(granted);
  const quietest = quietestMinute(granted);
  const tokens = granted.reduce((sum, other) => sum + other.tokens, 0);
  console.info(`tokens: ${tokens} in 3 minutes, ${quietest.tokens} to ${busiest.tokens} in any minute`);
  expect(busiest.requests).toBeLessThanOrEqual(LIMITS.requests);
  expect(busiest.tokens).toBeLessThanOrEqual(LIMITS.tokens);
  expect(tokens).toBeGreaterThanOrEqual(0.9 * 3 * LIMITS.tokens);
});

test('of 500 that ask at once as many get a place as may go at once', async () => {
  const { lane } = openLane({ requests: 100 });
  const answers = await Promise.all(Array.from({ length: 500 }, () => lane.reserve({ tokens: 1 })));
  const reserved = answers.filter(({ kind }) => kind === 'reserved');
  expect(reserved).toHaveLength(9);
  for (const answer of answers) if (answer.kind === 'wait') expect(answer.milliseconds).toBeGreaterThan(0);
});

test.each([
  ['requests', { requests: 20 }, 20],
  ['images', { images: 20 }, 20],
  ['tokens', { tokens: 200 }, 20],
])('%s alone hold it back', async (_, limits, most) => {
  const { lane, clock } = openLane(limits);
  expect(await takeFor(lane, clock, 60)).toHaveLength(most);
  clock.now += 62_000;
  expect((await takeAll(lane)).length).toBeGreaterThan(0);
});

test('all of it or nothing: what does not fit leaves nothing behind', async () => {
  const { lane, clock } = openLane({ tokens: 1_000 });
  await takeFor(lane, clock, 6, 95);
  for (let times = 0; times < 50; times += 1) {
    expect(await lane.reserve({ tokens: 990 })).toMatchObject({ kind: 'wait' });
  }
  expect((await takeFor(lane, clock, 6, 10)).length).toBeGreaterThan(0);
});

test('what a request has not used is free again; what it has used beyond its bound counts', async () => {
  const { lane, clock } = openLane({ tokens: 1_000 });
  const first = await takeFor(lane, clock, 58, 250);
  expect(first).toHaveLength(4);
  expect(await takeFor(lane, clock, 1, 250)).toEqual([]);
  for (const id of first) await lane.settle(id, 100);
  expect((await takeFor(lane, clock, 1, 100)).length).toBeGreaterThan(0);
  for (const id of first) await lane.settle(id, 400);
  expect(await takeFor(lane, clock, 0, 1)).toEqual([]);
});

test('a reservation that was given back, or is not known any more, counts for nothing', async () => {
  const { lane, clock } = openLane({ requests: 1 });
  const [id = ''] = await takeAll(lane);
  expect(await takeAll(lane)).toEqual([]);
  await lane.giveBack(id);
  await lane.giveBack(id);
  const [other = ''] = await takeAll(lane);
  expect(other).not.toBe('');
  clock.now += 62_000;
  await lane.settle(other, 1_000_000);
  await lane.giveBack(other);
  expect(await takeAll(lane)).toHaveLength(1);
});

test('what nobody settles, because its process is gone, counts with its bound for a minute and no longer', async () => {
  const { lane, clock } = openLane({ tokens: 500 });
  await takeFor(lane, clock, 0, 500);
  clock.now += 59_000;
  expect(await lane.reserve({ tokens: 1 })).toMatchObject({ kind: 'wait' });
  clock.now += 3_000;
  expect(await lane.reserve({ tokens: 500 })).toMatchObject({ kind: 'reserved' });
});

test('a pause holds everything back, and a shorter one does not end it', async () => {
  const { lane, clock } = openLane();
  await lane.pause(10_000);
  await lane.pause(1_000);
  clock.now += 9_000;
  expect(await lane.reserve({ tokens: 1 })).toEqual({ kind: 'wait', milliseconds: 1_000 });
  clock.now += 1_000;
  expect(await lane.reserve({ tokens: 1 })).toMatchObject({ kind: 'reserved' });
});

test('a pause tells whether it begins a rest, or makes it more than twice as long', async () => {
  const { lane, clock } = openLane();
  expect(await lane.pause(10_000)).toBe('new');
  clock.now += 3_000;
  expect(await lane.pause(10_000)).toBe('known');
  expect(await lane.pause(1_000)).toBe('known');
  expect(await lane.pause(60_000)).toBe('new');
  expect(await lane.pause(60_000)).toBe('known');
  clock.now += 60_000;
  expect(await lane.pause(60_000)).toBe('new');
});

test('rests are seen and ended by whoever knows the models', async () => {
  const prefix = newPrefix();
  const limits = { requests: 1, tokens: 1_000, images: 1 };
  const lane = new RateLane(redis, prefix, 'gpt-image-2', limits);
  const other = new RateLane(redis, prefix, 'gpt-image-1.5', limits);
  const rests = new LaneRests(redis, prefix);
  expect(new Set((await rests.read()).values())).toEqual(new Set([0]));
  await lane.pause(3_600_000);
  const left = await rests.read();
  expect(left.get('gpt-image-2')).toBeGreaterThan(3_500_000);
  expect(left.get('gpt-image-1.5')).toBe(0);
  expect([...(await rests.end()).keys()]).toEqual(['gpt-image-2']);
  expect(await lane.isResting()).toBe(false);
  expect(await lane.reserve({ tokens: 1 })).toMatchObject({ kind: 'reserved' });
  expect(await other.reserve({ tokens: 1 })).toMatchObject({ kind: 'reserved' });
  expect(await rests.end()).toEqual(new Map());
});

test('more than is ever allowed is never reserved', async () => {
  const { lane } = openLane({ tokens: 1_000 });
  expect(await lane.reserve({ tokens: 1_001 })).toMatchObject({ kind: 'never' });
});

test('what others use of the same limit counts until the server says that it is whole again', async () => {
  const { lane, clock } = openLane({ requests: 50 });
  const [id = ''] = await takeAll(lane);
  // The server counts ours among the 50 that it has seen.
  await lane.correct({ requests: { limit: 50, remaining: 0, resetMilliseconds: 20_000 } });
  await lane.giveBack(id);
  expect(await takeFor(lane, clock, 15)).toHaveLength(1);
  clock.now += 6_000;
  expect((await takeAll(lane)).length).toBeGreaterThan(1);
});

test('the count of a server that knows of less than was reserved here frees nothing', async () => {
  const { lane, clock } = openLane({ requests: 5 });
  await takeFor(lane, clock, 58);
  await lane.correct({ requests: { limit: 5, remaining: 5, resetMilliseconds: 0 } });
  expect(await takeAll(lane)).toEqual([]);
});

test('a limit of the server that is lower than the configured one holds', async () => {
  const { lane, clock } = openLane({ requests: 50 });
  await lane.correct({ requests: { limit: 10, remaining: 10, resetMilliseconds: 60_000 } });
  expect(await takeFor(lane, clock, 58)).toHaveLength(10);
});

test('it works on after Redis has forgotten its scripts, and leaves nothing there for ever', async () => {
  const { lane, prefix } = openLane();
  await lane.reserve({ tokens: 1 });
  await redis.script('FLUSH');
  expect(await lane.reserve({ tokens: 1 })).toMatchObject({ kind: 'reserved' });
  await lane.pause(5_000);
  const keys = await redis.keys(`{${prefix}:icons}*`);
  expect(keys).toHaveLength(4);
  for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
});

test('a reservation whose answer was lost, and which was sent again, counts once', async () => {
  const { lane, clock, prefix } = openLane({ requests: 50 });
  const sent = await sentToReserve(lane);
  for (let times = 0; times < 25; times += 1) {
    clock.now += 2_000;
    expect(await redis.eval(RESERVE, 4, ...sent.with(4, String(clock.now)))).toBe(0);
  }
  const [amounts = ''] = await redis.keys(`{${prefix}:icons}*:amounts`);
  expect(await redis.hget(amounts, 'sum')).toBe('1:10:1');
});

test('a sum that does not fit to the entries ends with them', async () => {
  const { lane, clock, prefix } = openLane({ requests: 5 });
  await takeAll(lane);
  const [amounts = ''] = await redis.keys(`{${prefix}:icons}*:amounts`);
  await redis.hset(amounts, 'sum', '5:50:5');
  clock.now += 62_000;
  await takeAll(lane);
  expect(await redis.hget(amounts, 'sum')).toBe('1:10:1');
});

test('after the clock of Redis went back an hour it grants again within a minute', async () => {
  const { lane, clock } = openLane({ requests: 5 });
  clock.now += 10_000_000;
  await takeFor(lane, clock, 58);
  clock.now -= 3_600_000;
  expect(await takeAll(lane)).toEqual([]);
  clock.now += 62_000;
  expect((await takeAll(lane)).length).toBeGreaterThan(0);
});

test('on the time of Redis it grants and holds back, too', async () => {
  const lane = new RateLane(redis, newPrefix(), 'model', { requests: 10, tokens: 1_000, images: 10 });
  expect(await takeAll(lane)).toHaveLength(1);
});

test('with Redis away it says so', async () => {
  const away = new Redis({
    port: 1,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: () => null,
  });
  away.on('error', () => undefined);
  const lane = new RateLane(away, 'away', 'model', LIMITS);
  await expect(lane.reserve({ tokens: 1 })).rejects.toThrow(ServiceUnavailableError);
  away.disconnect();
});
