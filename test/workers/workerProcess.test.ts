import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { describe, expect, type TestContext, test } from 'vitest';
import { startRedis } from '../../embedded/redis.ts';
import { jobOptions } from '../../src/producers/jobOptions.ts';
import { queuePrefix } from '../../src/producers/queues.ts';
import type { JobName } from '../../src/queues/defineQueue.ts';
import { startProcess, type TestProcess } from '../support/processes.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';
import { processQueue } from './processQueue.ts';

const RESCUE_SECONDS = 15;

/** Each waits for locks to run out, so they wait together. */
describe.concurrent('worker processes', () => {
  test('a job of a killed worker is run by another one', async ({ onTestFinished }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const [first, second] = await Promise.all([fleet.start(), fleet.start()]);
    const id = await fleet.add('hold');
    const holder = await fleet.nthStart(id, 1);
    const [killed, other] = holder === first.pid ? [first, second] : [second, first];
    killed.kill('SIGKILL');
    const killedAt = performance.now();
    expect(await fleet.nthStart(id, 2)).toBe(other.pid);
    report('rescued by another worker', killedAt);

    await fleet.redis.set(`${fleet.prefix}:release`, 1);
    expect(await fleet.inState(id, 'completed')).toMatchObject({ attemptsMade: 1, returnvalue: other.pid });
  });

  test('a job of the only worker is run by the one that starts afterwards', async ({ onTestFinished }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const first = await fleet.start();
    const id = await fleet.add('hold');
    await fleet.nthStart(id, 1);
    first.kill('SIGKILL');
    const killedAt = performance.now();
    await first.exited;
    const next = await fleet.start();
    report('the next worker was there', killedAt);
    expect(await fleet.nthStart(id, 2)).toBe(next.pid);
    report('rescued by the next worker', killedAt);
  });

  test('a job that kills its worker every time ends as a dead letter', async ({ onTestFinished }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const id = await fleet.add('crash');
    // As if twenty workers had died of it already.
    await fleet.redis.hset(`${fleet.prefix}:process:${id}`, 'stc', 20);
    const worker = await fleet.start();
    expect(await worker.exited).toMatchObject({ signal: 'SIGKILL' });
    const survivor = await fleet.start();
    const job = await fleet.inState(id, 'failed');
    expect(job?.failedReason).toContain('stalled');
    const line = await survivor.line((text) => text.includes('dead letter'));
    expect(JSON.parse(line)).toMatchObject({ job: id, request_id: 'request-1' });
  });

  test('SIGTERM: the running job finishes, no other is taken, the process exits with 0', async ({
    onTestFinished,
  }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const worker = await fleet.start();
    const running = await fleet.add('hold');
    await fleet.nthStart(running, 1);
    worker.kill('SIGTERM');
    await worker.line((text) => text.includes('Shutting down'));
    const waiting = await fleet.add('hold');
    await fleet.redis.set(`${fleet.prefix}:release`, 1);
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await fleet.queue.getJobState(running)).toBe('completed');
    expect(await fleet.queue.getJobState(waiting)).toBe('waiting');
  });

  test('SIGTERM: what does not finish in time is left to another worker and burns no attempt', async ({
    onTestFinished,
  }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const worker = await fleet.start();
    const id = await fleet.add('hold');
    await fleet.nthStart(id, 1);
    worker.kill('SIGTERM');
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(await fleet.queue.getJob(id)).toMatchObject({ attemptsMade: 0, attemptsStarted: 1 });

    const other = await fleet.start();
    const leftAt = performance.now();
    expect(await fleet.nthStart(id, 2)).toBe(other.pid);
    report('left by a drain and taken up', leftAt);
  });

  test('a worker that stands still for longer than its lock does no harm', async ({ onTestFinished }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    const workers = await Promise.all([fleet.start(), fleet.start()]);
    const wakes = await newFile(onTestFinished);
    const id = await fleet.add('stand-still', wakes);
    const job = await fleet.inState(id, 'completed');
    expect(job).toMatchObject({ attemptsMade: 1, attemptsStarted: 2 });
    await writeFile(wakes, '');
    const stalled = await fleet.nthStart(id, 1);
    const stoodStill = workers.find((worker) => worker.pid === stalled);
    await stoodStill?.line((text) => text.includes('"outcome":"lock-lost"'));
    expect(await fleet.queue.getJobState(id)).toBe('completed');
    expect(await fleet.queue.getFailedCount()).toBe(0);
  });

  test('a worker that stood still and is the only one runs the job again itself', async ({
    onTestFinished,
  }) => {
    const fleet = openFleet(String(process.env.REDIS_URL));
    onTestFinished(() => fleet.remove());
    await fleet.start();
    const wakes = await newFile(onTestFinished);
    const id = await fleet.add('stand-still', wakes);
    await fleet.nthStart(id, 1);
    await waitFor('its lock has run out', async () =>
      (await fleet.redis.exists(`${fleet.prefix}:process:${id}:lock`)) === 0 ? true : undefined,
    );
    await writeFile(wakes, '');
    expect(await fleet.inState(id, 'completed')).toMatchObject({ attemptsMade: 1 });
  });

  test('a worker waits for a Redis that comes later, outlives its restart, and drains without it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-worker-'));
    let redis = await startRedis({ dir });
    const { port, url } = redis;
    await redis.stop();
    const own = openFleet(url);
    try {
      const worker = await own.start();
      await worker.line((text) => text.includes('Redis is away'));
      redis = await startRedis({ dir, port });
      const first = await own.add('hold');
      await own.nthStart(first, 1);

      await redis.stop();
      redis = await startRedis({ dir, port });
      const second = await own.add('hold');
      await own.nthStart(second, 1);
      await own.redis.set(`${own.prefix}:release`, 1);
      for (const id of [first, second])
        expect(await own.inState(id, 'completed')).toMatchObject({ attemptsMade: 1 });

      await own.redis.del(`${own.prefix}:release`);
      await own.nthStart(await own.add('hold'), 1);
      await redis.stop();
      worker.kill('SIGTERM');
      expect(await worker.exited).toEqual({ code: 0, signal: null });
      expect(worker.lines.filter((line) => line.includes('unhandled') || line.includes('Unhandled'))).toEqual(
        [],
      );
      redis = await startRedis({ dir, port });
    } finally {
      await own.remove();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});

/** The path of a file that is not there yet. */
async function newFile(onTestFinished: TestContext['onTestFinished']): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-wakes-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'wakes');
}

interface Fleet {
  readonly redis: Redis;
  readonly queue: Queue;
  readonly prefix: string;
  start(): Promise<TestProcess>;
  add(name: JobName<typeof processQueue>, until?: string): Promise<string>;
  /** The pid that started the job for the nth time. */
  nthStart(id: string, nth: number): Promise<number>;
  inState(id: string, state: string): Promise<Awaited<ReturnType<Queue['getJob']>>>;
  remove(): Promise<void>;
}

function openFleet(redisUrl: string): Fleet {
  const prefix = queuePrefix(uniqueName('fleet'), processQueue.name);
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const queue = new Queue(processQueue.name, { connection: redis, prefix });
  queue.on('error', () => undefined);
  const workers: TestProcess[] = [];
  return {
    redis,
    queue,
    prefix,
    async start() {
      const worker = startProcess('test/workers/probeProcess.ts', {}, [redisUrl, prefix]);
      workers.push(worker);
      await worker.line((text) => text.includes('The probe takes jobs'));
      return worker;
    },
    async add(name, until = '') {
      const data = { payload: { until }, request_ids: ['request-1'] };
      const job = await queue.add(name, data, jobOptions(processQueue, name));
      return String(job.id);
    },
    nthStart: (id, nth) =>
      waitFor(`start ${nth} of job ${id}`, async () => {
        const pid = await redis.lindex(`${prefix}:starts:${id}`, nth - 1);
        return pid === null ? undefined : Number(pid);
      }),
    inState: (id, state) =>
      waitFor(`job ${id} is ${state}`, async () =>
        (await queue.getJobState(id)) === state ? queue.getJob(id) : undefined,
      ),
    async remove() {
      for (const worker of workers) worker.kill('SIGKILL');
      await Promise.all(workers.map((worker) => worker.exited));
      await queue.close();
      for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
        if (keys.length > 0) await redis.unlink(...keys);
      }
      redis.disconnect();
    },
  };
}

function report(what: string, since: number): void {
  console.log(
    `${what} after ${((performance.now() - since) / 1_000).toFixed(1)} s (at most ${RESCUE_SECONDS} s)`,
  );
}
