import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { connectRedis, type RedisRole } from '../../src/runtime/redis.ts';
import { done } from '../../src/workers/outcome.ts';
import { startOwnRedis } from '../support/ownRedis.ts';
import { waitFor } from '../support/waitFor.ts';
import { openWorkbench } from '../workers/workerUnderTest.ts';

/** An address behind which one server takes the place of another; connections that are there stay with the first. */
async function openAddress() {
  const first = await startOwnRedis();
  const second = await startOwnRedis();
  let target = first.server.port;
  const sockets = new Set<Socket>();
  const address = createServer((client) => {
    const redis = dial(target, '127.0.0.1');
    for (const socket of [client, redis]) sockets.add(socket.on('error', () => undefined));
    client.pipe(redis).pipe(client);
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(address, 'listening');
  onTestFinished(() => {
    address.close();
    for (const socket of sockets) socket.destroy();
  });
  const listening = address.address();
  if (listening === null || typeof listening === 'string') throw new Error('The address has no port');
  return {
    url: `redis://127.0.0.1:${listening.port}`,
    second,
    /** So that what was written there can be removed. */
    promoteFirst: () => first.operator.replicaof('NO', 'ONE'),
    async failOver() {
      target = second.server.port;
      await first.operator.replicaof('127.0.0.1', String(second.server.port));
    },
  };
}

test.each<RedisRole>(['producer', 'worker'])(
  'a %s whose Redis was demoted finds the one that took its place',
  async (role) => {
    const { url, second, failOver } = await openAddress();
    const redis = connectRedis(url, role, pino({ level: 'silent' }));
    onTestFinished(() => redis.disconnect());
    await once(redis, 'ready');
    await failOver();
    await waitFor('a write', () => redis.set('found', '1'));
    expect(await second.operator.get('found')).toBe('1');
  },
);

test('a producer does not dial anew for each write that a replica refuses', async () => {
  const { server, operator } = await startOwnRedis();
  const redis = connectRedis(server.url, 'producer', pino({ level: 'silent' }));
  onTestFinished(() => redis.disconnect());
  await once(redis, 'ready');
  await operator.replicaof('127.0.0.1', '1');
  const ready = once(redis, 'ready');
  await expect(redis.set('a', '1')).rejects.toThrow('READONLY');
  await ready;
  let closed = false;
  redis.once('close', () => {
    closed = true;
  });
  // Together, so that they are all refused before it may dial again.
  await Promise.all(
    Array.from({ length: 20 }, () => expect(redis.set('a', '1')).rejects.toThrow('READONLY')),
  );
  expect(closed).toBe(false);
});

test('a worker whose Redis was demoted takes jobs from the one that took its place', async () => {
  const { url, second, failOver, promoteFirst } = await openAddress();
  const bench = openWorkbench(url);
  onTestFinished(async () => {
    await promoteFirst();
    await bench.remove();
  });
  bench.start({ probe: async () => done });
  await bench.inState(await bench.add('probe'), 'completed');
  await failOver();
  await waitFor('the worker asks the second server', async () =>
    String(await second.operator.client('LIST')).includes('cmd=bzpopmin') ? true : undefined,
  );
});
