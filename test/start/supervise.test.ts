import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { type Running, supervise, WRONG_SETTINGS } from '../../scripts/start/supervise.ts';
import { isRunning } from '../support/isRunning.ts';
import { waitFor } from '../support/waitFor.ts';

/** A process that runs until it is stopped. */
async function startSleeper(): Promise<Running> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    detached: true,
    stdio: 'ignore',
  });
  const exited = once(child, 'exit').then(([code, signal]) => String(signal ?? code));
  return {
    pid: child.pid ?? 0,
    exited,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

test('starts what ended again, says so, and not after its stop', async () => {
  const pids: number[] = [];
  const said: string[] = [];
  const supervised = supervise({
    name: 'sleeper',
    start: startSleeper,
    say: (text) => said.push(text),
    onStart: (pid) => pids.push(pid),
  });
  const first = await waitFor('the first', async () => pids[0]);
  process.kill(first, 'SIGKILL');
  const second = await waitFor('the second', async () => pids[1]);
  expect(said).toEqual([expect.stringMatching(/^sleeper ended \(SIGKILL\); it starts again in 0\.\d s\.$/)]);

  await supervised.stop();
  expect(isRunning(second)).toBe(false);
  expect(pids).toHaveLength(2);
});

test('what cannot start is tried again after ever longer pauses, and can be stopped meanwhile', async () => {
  let tries = 0;
  const said: string[] = [];
  const supervised = supervise({
    name: 'broken',
    start: async () => {
      tries += 1;
      throw new Error('no such program');
    },
    say: (text) => said.push(text),
  });
  await waitFor('three tries', async () => (tries >= 3 ? true : undefined));
  await supervised.stop();
  expect(said[0]).toContain('broken ended (no such program)');
  const pauses = said.map((text) => Number(/starts again in ([\d.]+) s/.exec(text)?.[1]));
  expect(pauses).toEqual(pauses.toSorted((one, other) => one - other));
  expect(tries).toBe(3);
});

test('a kill ends the process at once and for good', async () => {
  const pids: number[] = [];
  const supervised = supervise({
    name: 'sleeper',
    start: startSleeper,
    say: () => {},
    onStart: (pid) => pids.push(pid),
  });
  const pid = await waitFor('the process', async () => pids[0]);
  supervised.kill();
  await waitFor('its end', async () => (isRunning(pid) ? undefined : true));
  await supervised.stop();
  expect(pids).toHaveLength(1);
});

test('what ends because of its settings is not started again', async () => {
  const said: string[] = [];
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  let starts = 0;
  const supervised = supervise({
    name: 'misled',
    start: async () => {
      starts += 1;
      return { pid: process.pid, exited: Promise.resolve(WRONG_SETTINGS), async stop() {} };
    },
    say: (text) => said.push(text),
    onWrongSettings: tell,
  });
  await told;
  await supervised.stop();
  expect(starts).toBe(1);
  expect(said).toEqual([]);
});
