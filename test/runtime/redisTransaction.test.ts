import { once } from 'node:events';
import { Redis, ReplyError } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ServiceUnavailableError, withRedis } from '../../src/runtime/outage.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { inTransaction, TransactionMixedUpError } from '../../src/runtime/redisTransaction.ts';
import { openRedisLink } from '../support/redisLink.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const redis = new Redis(String(process.env.REDIS_URL), { maxRetriesPerRequest: null });
const other = redis.duplicate();
const key = uniqueName('redis-transaction');

beforeAll(() => waitFor('Redis', async () => (await redis.ping()) || undefined));
afterAll(async () => {
  await redis.del(key);
  other.disconnect();
  redis.disconnect();
});

test('answers with the replies of its commands, in order', async () => {
  const replies = await inTransaction(redis, () => [
    redis.set(key, '1'),
    redis.incr(key),
    redis.get(key),
    redis.del(key),
  ]);
  expect(replies).toEqual(['OK', 2, '2', 1]);
});

test('a command that Redis does not even take is named, and none is carried out', async () => {
  const refused = inTransaction(redis, () => [redis.set(key, '1'), redis.call('NO-SUCH-COMMAND')]);
  await expect(refused).rejects.toMatchObject({
    name: 'ReplyError',
    message: expect.stringContaining('NO-SUCH-COMMAND'),
  });
  expect(await redis.exists(key)).toBe(0);
});

test('a command that fails is named', async () => {
  const failed = inTransaction(redis, () => [redis.set(key, 'text'), redis.incr(key), redis.del(key)]);
  await expect(failed).rejects.toThrow(ReplyError);
});

test('a transaction that cannot even be put together is discarded, and the connection goes on', async () => {
  const broken = inTransaction(redis, () => {
    void redis.set(key, '1');
    throw new RangeError('cannot be put together');
  });
  await expect(broken).rejects.toThrow(RangeError);
  // Within an open transaction the answer would be QUEUED.
  expect(await redis.exists(key)).toBe(0);
});

test('a command that went over another connection is found out', async () => {
  const mixedUp = inTransaction(redis, () => [redis.set(key, '1'), other.get(key)]);
  await expect(mixedUp).rejects.toThrow(TransactionMixedUpError);
});

test.each([
  ['before MULTI', 1],
  ['after MULTI', '+OK\r\n'.length],
  ['after the first command', '+OK\r\n+QUEUED\r\n'.length],
  ['after all but EXEC', '+OK\r\n+QUEUED\r\n+QUEUED\r\n'.length],
])(
  'of a transaction that the connection breaks in, nothing is carried out outside of it: %s',
  async (_, bytes) => {
    const link = await openRedisLink(String(process.env.REDIS_URL));
    const worker = connectRedis(link.url, 'worker', pino({ level: 'silent' }));
    onTestFinished(async () => {
      worker.disconnect();
      await link.close();
    });
    await once(worker, 'ready');
    await redis.del(key);

    const ready = once(worker, 'ready');
    link.breakAfter(bytes);
    const [end] = await Promise.allSettled([
      withRedis(() => inTransaction(worker, () => [worker.incr(key), worker.incr(key)])),
    ]);
    await ready;
    // One of which nothing was answered is sent again as a whole.
    if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(ServiceUnavailableError);
    else expect(end.value).toEqual([3, 4]);
    expect(await worker.get(key)).toBe(end.status === 'rejected' ? '2' : '4');
  },
);

test('a transaction that cannot be put together while Redis is away leaves no rejection that nobody handles', async () => {
  const away = connectRedis('redis://127.0.0.1:1', 'producer', pino({ level: 'silent' }));
  const unhandled: unknown[] = [];
  const listen = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', listen);
  onTestFinished(() => {
    process.off('unhandledRejection', listen);
    away.disconnect();
  });
  const broken = inTransaction(away, () => {
    void away.set(key, '1');
    throw new RangeError('cannot be put together');
  });
  await expect(broken).rejects.toThrow(RangeError);
  // Told of a rejection, if ever, at the end of the turn of the event loop.
  await new Promise(setImmediate);
  expect(unhandled).toEqual([]);
});
