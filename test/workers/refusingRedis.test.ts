import { expect, onTestFinished, test } from 'vitest';
import { done } from '../../src/workers/outcome.ts';
import { REFUSALS, startOwnRedis } from '../support/ownRedis.ts';
import { waitFor } from '../support/waitFor.ts';
import { openWorkbench, probeQueue } from './workerUnderTest.ts';

/** Pino's level of a warning. */
const WARNING = 40;

async function openBench() {
  const { server, operator } = await startOwnRedis();
  const bench = openWorkbench(server.url);
  onTestFinished(() => bench.remove());
  return { bench, operator };
}

// One that refuses some commands, and one that refuses all that write.
test.each(REFUSALS.slice(0, 2))(
  'a worker whose Redis $name rests, says so once, and goes on by itself',
  async ({ begin, end }) => {
    const { bench, operator } = await openBench();
    const release = Promise.withResolvers<typeof done>();
    let runs = 0;
    bench.start({
      probe: () => {
        runs += 1;
        return release.promise;
      },
    });
    const ids = await Promise.all(
      Array.from({ length: 3 * probeQueue.concurrency }, () => bench.add('probe')),
    );
    await waitFor('all that may run do', async () => (runs === probeQueue.concurrency ? true : undefined));

    await begin(operator);
    release.resolve(done);
    await waitFor('it has rested three times', async () =>
      bench.lines.filter((line) => line.msg.includes('the worker rests')).length >= 3 ? true : undefined,
    );
    const warnings = bench.lines.filter((line) => line.level >= WARNING);
    expect(warnings.map((line) => line.msg)).toEqual(['A store is away, the worker rests']);

    await end(operator);
    for (const id of ids) expect(await bench.inState(id, 'completed')).toMatchObject({ attemptsMade: 1 });
    await waitFor('it says so', async () =>
      bench.lines.find((line) => line.msg === 'The stores serve, the worker goes on'),
    );
  },
);

test('a run whose end Redis refuses to note burns no attempt', async () => {
  const { bench, operator } = await openBench();
  const release = Promise.withResolvers<void>();
  let ended = 0;
  bench.start({
    probe: async () => {
      await release.promise;
      ended += 1;
      return done;
    },
  });
  const id = await bench.add('probe');
  await bench.inState(id, 'active');
  // Any key but the one of the completed jobs: a failure could be noted.
  await operator.call('ACL', 'SETUSER', 'default', 'resetkeys', '~*[^d]', '~*[^e]d', '~*[^t]ed');
  release.resolve();
  await waitFor('it ran more often than it may fail', async () => (ended > 3 ? true : undefined));
  expect(await bench.queue.getJob(id)).toMatchObject({ attemptsMade: 0 });
  await operator.call('ACL', 'SETUSER', 'default', 'allkeys');
  expect(await bench.inState(id, 'completed')).toMatchObject({ attemptsMade: 1 });
});
