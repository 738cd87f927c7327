import { once } from 'node:events';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { IconJobs } from '../../src/producers/icons/iconJobs.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { iconBatchesQueue } from '../../src/queues/icons.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { REFUSALS, startOwnRedis } from '../support/ownRedis.ts';
import { waitFor } from '../support/waitFor.ts';

async function openJobs() {
  const { server, operator } = await startOwnRedis();
  const redis = connectRedis(server.url, 'producer', pino({ level: 'silent' }));
  const queues = openQueues(redis, 'icon-jobs');
  onTestFinished(async () => {
    await queues.close();
    redis.disconnect();
  });
  await once(redis, 'ready');
  const jobs = new IconJobs(redis, 'icon-jobs', queues);
  return {
    redis,
    operator,
    start: (batchId: string) => jobs.startRound({ batch_id: batchId, round: 1 }, [], []),
    rounds: () => queues.of(iconBatchesQueue).getWaitingCount(),
  };
}

test('a Redis that forgot its scripts is an outage, once', async () => {
  const { redis, operator, start, rounds } = await openJobs();
  await start('first');
  await operator.script('FLUSH');
  const ready = once(redis, 'ready');
  await expect(start('second')).rejects.toThrow(ServiceUnavailableError);
  await ready;
  await start('third');
  expect(await rounds()).toBe(2);
});

test.each(REFUSALS)('a Redis that $name is an outage, and nothing is half queued', async ({ begin, end }) => {
  const { operator, start, rounds } = await openJobs();
  await start('first');
  await begin(operator);
  await expect(start('second')).rejects.toThrow(ServiceUnavailableError);
  await end(operator);
  expect(await waitFor('it works again', rounds)).toBe(1);
  await start('third');
  expect(await rounds()).toBe(2);
});
