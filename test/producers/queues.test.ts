import { once } from 'node:events';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { IconJobs } from '../../src/producers/icons/iconJobs.ts';
import { openQueues } from '../../src/producers/queues.ts';
import { webhooksQueue } from '../../src/queues/webhooks.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { startOwnRedis } from '../support/ownRedis.ts';
import { waitFor } from '../support/waitFor.ts';

test('queues whose Redis was never there refuse, and do not wait for it', async () => {
  const redis = connectRedis('redis://127.0.0.1:1', 'producer', pino({ level: 'silent' }));
  const queues = openQueues(redis, 'queues');
  onTestFinished(async () => {
    await queues.close();
    redis.disconnect();
  });
  await expect(queues.of(webhooksQueue).add('sweep-webhooks', {})).rejects.toThrow();
  const jobs = new IconJobs(redis, 'queues', queues);
  await expect(jobs.startRound({ batch_id: 'batch', round: 1 }, [], [])).rejects.toThrow(
    ServiceUnavailableError,
  );
});

test('queues that were opened while Redis came and went work as soon as it stays', async () => {
  const { server } = await startOwnRedis();
  const redis = connectRedis(server.url, 'producer', pino({ level: 'silent' }));
  // The first question of BullMQ, right after the connection, gets no answer.
  redis.once('ready', () => redis.disconnect(true));
  const queues = openQueues(redis, 'queues');
  onTestFinished(async () => {
    await queues.close();
    redis.disconnect();
  });
  await once(redis, 'ready');
  await once(redis, 'ready');
  const waiting = await waitFor('the queue answers', () => queues.of(webhooksQueue).getWaitingCount());
  expect(waiting).toBe(0);
});
