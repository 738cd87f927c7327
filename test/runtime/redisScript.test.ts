import { Redis, ReplyError } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { RedisScript } from '../../src/runtime/redisScript.ts';
import { uniqueName } from '../support/testSystem.ts';

const redis = new Redis(String(process.env.REDIS_URL), { maxRetriesPerRequest: null });
const key = uniqueName('redis-script');

afterAll(async () => {
  await redis.del(key);
  redis.disconnect();
});

/** Unknown to Redis: nobody else has a script with this name in it. */
function freshScript(body: string): RedisScript {
  return new RedisScript(`-- ${uniqueName('script')}\n${body}`);
}

test('gives keys and arguments, bytes too, and the answer back', async () => {
  const script = freshScript('return { KEYS[1], ARGV[1], #ARGV[2] }');
  expect(await script.run(redis, [key], [7, Buffer.from([0xff, 0x00])])).toEqual([key, '7', 2]);
});

test('is told in full where it is unknown, and is carried out once each time', async () => {
  const script = freshScript(`return redis.call('INCR', KEYS[1])`);
  expect(await Promise.all([script.run(redis, [key], []), script.run(redis, [key], [])])).toEqual([1, 2]);
  expect(await script.run(redis, [key], [])).toBe(3);
});

test('hands on what it is refused with', async () => {
  const script = freshScript(`return redis.call('NO-SUCH-COMMAND')`);
  await expect(script.run(redis, [], [])).rejects.toThrow(ReplyError);
});
