import { Redis, ReplyError } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction, TransactionMixedUpError } from '../../src/runtime/redisTransaction.ts';
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
