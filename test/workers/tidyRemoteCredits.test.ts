import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CreditsSandbox, startCreditsServer } from '../../sandbox/creditsServer.ts';
import { CreditsServer } from '../../src/platforms/creditsServer.ts';
import { type OpenQueues, openQueues } from '../../src/producers/queues.ts';
import { RemoteCredits } from '../../src/providers/credits/remote.ts';
import { remoteCreditsQueue } from '../../src/queues/remoteCredits.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { remoteCreditsSchedule } from '../../src/schedules/remoteCredits.ts';
import { captureOf, reserveOf } from '../providers/creditsConformance.ts';
import { letOwnTimePass } from '../support/letTimePass.ts';
import { startLocalWorkers } from '../support/localWorkers.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const KEY = 'a-key-of-the-other-server';

let system: TestSystem;
let queues: OpenQueues;
let server: CreditsSandbox;

beforeEach(async () => {
  system = await createTestSystem('tidy-credits');
  queues = openQueues(system.redis, system.prefix);
  server = await startCreditsServer({ apiKey: KEY });
});
afterEach(async () => {
  await queues.close();
  await server.close();
  await system.remove();
});

test('a tick gives back what a crashed caller has left, less what was captured, once over two ticks', async () => {
  const userId = uniqueName('user');
  server.setCredits(userId, 10);
  const client = new CreditsServer(server.url, KEY);
  const credits = new RemoteCredits(system.connection, client, createLogger('worker', 'silent'));
  const outcome = await credits.reserve(reserveOf(userId, 6));
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  expect(await credits.capture(captureOf(outcome.reservation_id, 2))).toEqual({ kind: 'captured' });
  letOwnTimePass();

  const stop = await startLocalWorkers(
    system,
    { CREDITS_PROVIDER: 'remote', CREDITS_REMOTE_URL: server.url, CREDITS_REMOTE_KEY: KEY },
    [remoteCreditsQueue.name],
  );
  let minute = 0;
  await waitFor('the rest is back', async () => {
    await runTick(minute++);
    return server.credits(userId) === 8 ? true : undefined;
  });
  await runTick(minute++);
  expect(server.changes.map(({ amount }) => amount)).toEqual([-6, 4]);
  await stop();
});

test('with credits of its own a tick does nothing', async () => {
  const stop = await startLocalWorkers(system, {}, [remoteCreditsQueue.name]);
  await runTick(0);
  expect(server.received).toEqual([]);
  await stop();
});

async function runTick(minute: number): Promise<void> {
  const queue = queues.of(remoteCreditsQueue);
  for (const entry of remoteCreditsSchedule(system.redis, queues)) {
    await entry.onTick(new Date(Date.UTC(2026, 0, 5, 9, minute)));
  }
  await waitFor('the tick’s job is done', async () =>
    (await queue.getCompletedCount()) === minute + 1 ? true : undefined,
  );
}
