import { afterEach, expect, test } from 'vitest';
import { createLogger } from '../../src/runtime/logger.ts';
import { type RunningSchedule, startSchedule } from '../../src/schedules/startSchedule.ts';
import { letOwnTimePass } from '../support/letTimePass.ts';
import { waitFor } from '../support/waitFor.ts';

const EVERY_SECOND = '* * * * * *';
const HOUR = 3_600_000;
const logger = createLogger('scheduler', 'silent');
const started: RunningSchedule[] = [];

function start(onTick: (tick: Date) => Promise<void>): RunningSchedule {
  const schedule = startSchedule([{ name: 'test', cron: EVERY_SECOND, onTick }], logger);
  started.push(schedule);
  return schedule;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((schedule) => schedule.stop()));
});

test('a tick is the time that the expression names, the same for everybody', async () => {
  const ticks: [number[], number[]] = [[], []];
  for (const own of ticks) start(async (tick) => void own.push(tick.getTime()));
  // The two may have started in different seconds; from the later start on both have the same ticks.
  const common = (own: readonly number[]) =>
    own.filter((tick) => ticks.every(([first = Infinity]) => tick >= first));
  await waitFor('three common ticks', async () =>
    ticks.every((own) => common(own).length >= 3) ? true : undefined,
  );
  const [first, second] = ticks;
  expect(first.every((tick) => tick % 1_000 === 0)).toBe(true);
  expect(common(first).slice(0, 3)).toEqual(common(second).slice(0, 3));
});

test('a tick that fails does not keep the next one from coming', async () => {
  let calls = 0;
  start(async () => {
    calls++;
    throw new Error('Redis is away');
  });
  await waitFor('a second tick', async () => (calls >= 2 ? true : undefined));
});

test('a stop waits for the running tick and starts no more', async () => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let ended = 0;
  const schedule = start(async () => {
    entered.resolve();
    await release.promise;
    ended++;
  });
  await entered.promise;
  const stopped = schedule.stop();
  expect(ended).toBe(0);
  release.resolve();
  await stopped;
  expect(ended).toBeGreaterThan(0);
});

test.each([
  ['back', -HOUR],
  ['forward', HOUR],
])('goes on when the clock is set %s by an hour', async (_, step) => {
  const ticks: number[] = [];
  start(async (tick) => void ticks.push(tick.getTime()));
  await waitFor('a tick', async () => ticks[0]);
  const before = Date.now();
  letOwnTimePass(step);
  await waitFor('a tick of the new time', async () =>
    ticks.find((tick) => Math.abs(tick - (before + step)) < 60_000),
  );
});
