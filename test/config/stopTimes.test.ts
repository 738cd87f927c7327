import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readEnvironment } from '../../config/env.ts';
import { stopTimes } from '../../config/stopTimes.ts';

const STORES = { REDIS_URL: 'redis://localhost', MONGODB_URL: 'mongodb://localhost/x' };
const paid = { ...STORES, OPENAI_API_KEY: 'sk-unused' };

test('only a worker whose calls are paid may take longer than DRAIN_TIMEOUT_SECONDS', () => {
  const ordinary = { drain: 17, longestDrain: 17, limit: 20 };
  expect(stopTimes(readEnvironment(STORES), true)).toEqual(ordinary);
  expect(stopTimes(readEnvironment(paid), false)).toEqual(ordinary);
  expect(stopTimes(readEnvironment(paid), true)).toEqual({ drain: 17, longestDrain: 120, limit: 123 });
  const patient = readEnvironment({ ...paid, DRAIN_TIMEOUT_SECONDS: '900' });
  expect(stopTimes(patient, true)).toEqual({ drain: 897, longestDrain: 897, limit: 900 });
});

test('compose gives a worker the time that the longest call needs', async () => {
  const longest = readEnvironment({ ...paid, OPENAI_TIMEOUT_SECONDS: '240' });
  const compose = await readFile('compose.yaml', 'utf8');
  const worker = /^ {2}worker:\n(?: {4}.*\n)+/m.exec(compose)?.[0];
  const seconds = Number(/stop_grace_period: (\d+)s/.exec(worker ?? '')?.[1]);
  expect(seconds).toBeGreaterThan(stopTimes(longest, true).limit);
});
