import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import type { Run } from '../../src/workers/handlers.ts';
import { done } from '../../src/workers/outcome.ts';
import { waitFor } from '../support/waitFor.ts';
import { openWorkbench, probeQueue, type Workbench } from './workerUnderTest.ts';

let bench: Workbench;
beforeEach(() => {
  bench = openWorkbench();
});
afterEach(() => bench.remove());

test('a job that is done keeps its result', async () => {
  bench.start({ probe: async ({ number }) => ({ kind: 'done', result: { doubled: number * 2 } }) });
  const job = await bench.inState(await bench.add('probe'), 'completed');
  expect(job?.returnvalue).toEqual({ doubled: 2 });
});

test('whatever a handler throws is tried again, spread and capped, and kept as a dead letter with its reason', async () => {
  const starts: number[] = [];
  const thrown = [new Error('first'), 'a text', undefined];
  bench.start({
    probe: async () => {
      starts.push(Date.now());
      throw thrown[starts.length - 1];
    },
  });
  const id = await bench.add('probe', { requestIds: ['request-1'] });
  const job = await bench.inState(id, 'failed');

  expect(starts).toHaveLength(3);
  expect(job?.attemptsMade).toBe(3);
  expect(job?.failedReason).toContain('undefined');
  expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(10);
  const letter = bench.lines.find((line) => line.msg === 'dead letter');
  expect(letter).toMatchObject({ job: id, queue: 'probe', attempt: 3, request_id: 'request-1' });
});

test('a dead outcome ends the job at its first attempt', async () => {
  bench.start({ probe: async () => ({ kind: 'dead', reason: 'the account is closed' }) });
  const job = await bench.inState(await bench.add('probe'), 'failed');
  expect(job).toMatchObject({ attemptsMade: 1, failedReason: 'the account is closed' });
});

test('a cancelled job is over, and nothing went wrong', async () => {
  bench.start({ probe: async () => ({ kind: 'cancelled', reason: 'taken back' }) });
  const job = await bench.inState(await bench.add('probe'), 'completed');
  expect(job?.returnvalue).toEqual({ cancelled: 'taken back' });
});

test.each([
  ['no envelope', 'probe', 'just a text'],
  ['a payload that is not the contract’s', 'probe', { payload: { number: 'one' }, request_ids: [] }],
  ['an unknown name', 'nobody', { payload: {}, request_ids: [] }],
  ['a name that every object has', 'constructor', { payload: {}, request_ids: [] }],
  ['a name that every object has', '__proto__', { payload: {}, request_ids: [] }],
])('poison (%s: %s) is a dead letter at the first attempt', async (_what, name, data) => {
  bench.start({ probe: async () => done });
  const job = await bench.inState(await bench.addRaw(name, data), 'failed');
  expect(job).toMatchObject({ attemptsMade: 1, attemptsStarted: 1 });
  expect(job?.failedReason).not.toBe('');
});

test('a postponed job comes back as often as it likes, burns no attempt and keeps its priority', async () => {
  let runs = 0;
  bench.start({
    probe: async () => {
      runs += 1;
      return runs <= 40 ? { kind: 'postponed', at: Date.now() + 1, reason: 'not yet' } : done;
    },
  });
  const job = await bench.inState(await bench.add('probe', { priority: 7 }), 'completed');
  expect(job).toMatchObject({ attemptsMade: 1, priority: 7 });
  expect(runs).toBe(41);
});

test('a throttled queue rests as a whole, and no attempt is burnt', async () => {
  let restsUntil = 0;
  let refused = 0;
  bench.start({
    probe: async () => {
      restsUntil ||= Date.now() + 400;
      if (Date.now() >= restsUntil) return done;
      refused += 1;
      return { kind: 'throttled', milliseconds: restsUntil - Date.now() };
    },
  });
  const ids = await Promise.all(Array.from({ length: 40 }, () => bench.add('probe')));
  for (const id of ids) expect((await bench.inState(id, 'completed'))?.attemptsMade).toBe(1);
  // The ones that had been fetched before the first refusal are refused as well, and no others.
  expect(refused).toBeLessThanOrEqual(2 * probeQueue.concurrency);
});

test('a job that is throttled more often than it may be tried is still done', async () => {
  let runs = 0;
  bench.start({
    probe: async () => {
      runs += 1;
      return runs <= 30 ? { kind: 'throttled', milliseconds: 5 } : done;
    },
  });
  expect((await bench.inState(await bench.add('probe'), 'completed'))?.attemptsMade).toBe(1);
});

test('a handler that ignores its signal does not hold the slot, and its late result has no effect', async () => {
  const late = Promise.withResolvers<typeof done>();
  let run: Run | undefined;
  bench.start({
    brief: (_payload, current) => {
      run = current;
      return late.promise;
    },
  });
  const id = await bench.add('brief');
  const job = await bench.inState(id, 'failed');
  expect(job?.attemptsMade).toBe(2);
  expect(job?.failedReason).toContain('250 ms');
  expect(run?.signal.aborted).toBe(true);

  late.resolve(done);
  await expect(run?.progress({ done: 9 })).rejects.toThrow();
  const after = await bench.queue.getJob(id);
  expect(await after?.getState()).toBe('failed');
  expect(after?.returnvalue).toBeNull();
  expect(after?.progress).toEqual(0);
});

test('a handler that heeds its signal is told why', async () => {
  const reasons: unknown[] = [];
  bench.start({
    brief: (_payload, run) =>
      new Promise((_resolve, reject) => {
        run.signal.addEventListener('abort', () => {
          reasons.push(run.signal.reason);
          reject(new Error('stopped half-way'));
        });
      }),
  });
  const job = await bench.inState(await bench.add('brief'), 'failed');
  expect(reasons).toHaveLength(2);
  expect(reasons[0]).toMatchObject({ name: 'JobTimeoutError' });
  expect(job?.failedReason).toContain('250 ms');
});

test('progress is seen while the job runs', async () => {
  const rest = Promise.withResolvers<void>();
  bench.start({
    probe: async (_payload, run) => {
      await run.progress({ done: 3, total: 10 });
      await rest.promise;
      return done;
    },
  });
  const id = await bench.add('probe');
  await waitFor('progress', async () => {
    const job = await bench.queue.getJob(id);
    return JSON.stringify(job?.progress) === '{"done":3,"total":10}' ? job : undefined;
  });
  rest.resolve();
  await bench.inState(id, 'completed');
});

test('an operator’s retry runs the dead letter again, also one that had been started very often', async () => {
  let fail = true;
  bench.start({
    probe: async () => {
      if (fail) throw new Error('not today');
      return done;
    },
  });
  const id = await bench.add('probe');
  const dead = await bench.inState(id, 'failed');
  await bench.redis.hset(`${bench.prefix}:probe:${id}`, { ats: 500, stc: 500 });
  fail = false;
  await dead?.retry('failed');
  await bench.inState(id, 'completed');
});

test('every log line of a job carries its queue, id, attempt and request ids', async () => {
  bench.start({
    probe: async (_payload, run) => {
      run.logger.info('hello');
      if (run.attempt === 1) throw new Error('once more');
      return { kind: 'dead', reason: 'enough' };
    },
  });
  const id = await bench.add('probe', { requestIds: ['a', 'b'] });
  await bench.inState(id, 'failed');
  await waitFor('the last line', async () => bench.lines.find((line) => line.msg === 'dead letter'));
  const lines = bench.lines.filter((line) => line.job === id);
  expect(lines.map((line) => [line.msg, line.attempt])).toEqual([
    ['hello', 1],
    ['job did not end', 1],
    ['hello', 2],
    ['job ended', 2],
    ['dead letter', 2],
  ]);
  for (const line of lines) expect(line).toMatchObject({ queue: 'probe', request_id: ['a', 'b'] });
  expect(bench.lines.filter((line) => line.job !== id && line.level > 20)).toEqual([]);
});

test('an outage postpones the job, burns no attempt and rests the worker until the stores answer', async () => {
  const back = Promise.withResolvers<void>();
  let away = true;
  let runs = 0;
  let asked = 0;
  bench.start(
    {
      probe: async () => {
        runs += 1;
        if (away) throw new ServiceUnavailableError('away', 2);
        return done;
      },
    },
    () => {
      asked += 1;
      return back.promise;
    },
  );
  const first = await bench.add('probe');
  await waitFor('the worker asks for the stores', async () => (asked > 0 ? true : undefined));
  const later = await Promise.all(Array.from({ length: 20 }, () => bench.add('probe')));
  await bench.inState(first, 'delayed');
  expect(runs).toBe(1);

  away = false;
  back.resolve();
  for (const id of [first, ...later]) expect((await bench.inState(id, 'completed'))?.attemptsMade).toBe(1);
  expect(asked).toBe(1);
});

test('a time-out while a store does not answer is an outage too', async () => {
  const silent = true;
  bench.start({ brief: () => (silent ? new Promise(() => undefined) : Promise.resolve(done)) }, () =>
    silent ? new Promise(() => undefined) : Promise.resolve(),
  );
  const id = await bench.add('brief');
  await waitFor('the job is postponed', async () =>
    bench.lines.find((line) => line.msg.includes('A store is away')),
  );
  await bench.inState(id, 'delayed');
  expect((await bench.queue.getJob(id))?.attemptsMade).toBe(0);
});

test('a drain lets the running job finish and takes no other', async () => {
  const rest = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const worker = bench.start({
    probe: async () => {
      started.resolve();
      await rest.promise;
      return done;
    },
  });
  const running = await bench.add('probe');
  await started.promise;
  const drained = worker.drain(10_000);
  const waiting = await bench.add('probe');
  rest.resolve();
  await drained;
  expect(await (await bench.queue.getJob(running))?.getState()).toBe('completed');
  expect(await (await bench.queue.getJob(waiting))?.getState()).toBe('waiting');
});

test('a job that does not finish within the drain is left to another worker and burns no attempt', async () => {
  const started = Promise.withResolvers<Run>();
  const worker = bench.start({
    probe: (_payload, run) => {
      started.resolve(run);
      return new Promise(() => undefined);
    },
  });
  const id = await bench.add('probe');
  const run = await started.promise;
  // The job itself never ends.
  await worker.drain(200);
  expect(run.signal.reason).toMatchObject({ name: 'WorkerStoppingError' });
  expect(await bench.queue.getJob(id)).toMatchObject({ attemptsMade: 0 });

  bench.start({ probe: async () => done });
  expect((await bench.inState(id, 'completed'))?.attemptsMade).toBe(1);
});

test('a drain has more time for what must not be cut off, and nothing of that kind begins any more', async () => {
  const payment = Promise.withResolvers<void>();
  const paying = Promise.withResolvers<void>();
  const hanging = Promise.withResolvers<Run>();
  const paid = await bench.add('probe');
  const worker = bench.start({
    probe: async (_payload, run) => {
      if (run.jobId !== paid) {
        hanging.resolve(run);
        return new Promise(() => undefined);
      }
      await run.seeThrough(() => {
        paying.resolve();
        return payment.promise;
      });
      return done;
    },
  });
  await paying.promise;
  const hung = await bench.add('probe');
  const run = await hanging.promise;
  const late: string[] = [];
  const cutOff = once(run.signal, 'abort');
  const drained = worker.drain(1, 30_000);
  await cutOff;
  expect(run.signal.reason).toMatchObject({ name: 'WorkerStoppingError' });
  await expect(run.seeThrough(async () => late.push('begun'))).rejects.toBe(run.signal.reason);
  payment.resolve();
  await drained;
  expect(late).toEqual([]);
  expect(await (await bench.queue.getJob(paid))?.getState()).toBe('completed');
  expect(await (await bench.queue.getJob(hung))?.getState()).toBe('waiting');
});

test('a drain waits for what must not be cut off also when its job has lost its lock', async () => {
  const payment = Promise.withResolvers<void>();
  let runs = 0;
  let seen = false;
  const worker = bench.start({
    probe: async (_payload, run) => {
      runs += 1;
      if (runs > 1) return done;
      await run.seeThrough(async () => {
        await payment.promise;
        await bench.redis.ping();
        seen = true;
      });
      return done;
    },
  });
  const id = await bench.add('probe');
  await waitFor('the job runs', async () => runs > 0 || undefined);
  await bench.redis.del(`${bench.prefix}:probe:${id}:lock`);
  await bench.inState(id, 'completed');
  const drained = worker.drain(1, 30_000);
  await waitFor('the worker is closed', async () => (await bench.queue.getWorkersCount()) === 0 || undefined);
  payment.resolve();
  await drained;
  expect(seen).toBe(true);
});

test('a drain ends in time although the worker waits for a store', async () => {
  const worker = bench.start(
    { probe: () => Promise.reject(new ServiceUnavailableError('away', 2)) },
    () => new Promise(() => undefined),
  );
  const id = await bench.add('probe');
  await bench.inState(id, 'delayed');
  await worker.drain(5_000);
});

test('a job whose lock is lost is aborted, leaves no trace, and is run again', async () => {
  const reasons: unknown[] = [];
  let runs = 0;
  bench.start({
    probe: (_payload, run) => {
      runs += 1;
      if (runs > 1) return Promise.resolve(done);
      run.signal.addEventListener('abort', () => reasons.push(run.signal.reason));
      return new Promise(() => undefined);
    },
  });
  const id = await bench.add('probe');
  await waitFor('the job runs', async () => (runs > 0 ? true : undefined));
  await bench.redis.del(`${bench.prefix}:probe:${id}:lock`);
  const job = await bench.inState(id, 'completed');
  expect(job?.attemptsMade).toBe(1);
  expect(runs).toBe(2);
  expect(reasons).toMatchObject([{ name: 'LockLostError' }]);
});
