import { expect, test } from 'vitest';
import type { UsageEvent } from '../../src/domain/usage/report.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { storeInTransactions } from '../../src/workers/usage/storeInTransactions.ts';
import { usageEvent } from '../support/usageEvent.ts';

const OUTAGE = new ServiceUnavailableError('away', 2);
const DEFECT = new RangeError('cannot be stored');

test('jobs share transactions of 3,200 events, and none is torn apart', async () => {
  const { sizes, outcomes } = await run([100, 3_100, 1, 3_199, 3_200, 100, 3_101], () => undefined);
  expect(sizes).toEqual([3_200, 3_200, 3_200, 100, 3_101]);
  expect(outcomes).toEqual(Array(7).fill('stored'));
});

test('a job that cannot be stored fails alone, and later transactions go on', async () => {
  const { sizes, outcomes } = await run([3_000, 66, 100, 3_200], (events) => {
    if (events.some((event) => event.record_id === 3_001)) throw DEFECT;
  });
  expect(sizes).toEqual([3_166, 3_000, 66, 100, 3_200]);
  expect(outcomes).toEqual(['stored', DEFECT, 'stored', 'stored']);
});

test('after an outage nothing more is tried, what was stored before stays stored', async () => {
  const { sizes, outcomes } = await run([3_200, 3_000, 200, 3_200, 3_200], (events) => {
    if (events.some((event) => event.record_id === 3_201)) throw OUTAGE;
  });
  expect(sizes).toEqual([3_200, 3_200]);
  expect(outcomes).toEqual(['stored', OUTAGE, OUTAGE, OUTAGE, OUTAGE]);
});

test('an outage ends it also while jobs are stored one by one', async () => {
  const { sizes, outcomes } = await run([1_000, 1_100, 1_090, 3_200], (events) => {
    if (events.length === 3_190) throw DEFECT;
    if (events.length === 1_100) throw OUTAGE;
  });
  expect(sizes).toEqual([3_190, 1_000, 1_100]);
  expect(outcomes).toEqual(['stored', OUTAGE, OUTAGE, OUTAGE]);
});

/** Runs jobs of so many events each; ids go up from one. */
async function run(jobSizes: readonly number[], store: (events: readonly UsageEvent[]) => void) {
  let recordId = 0;
  const jobs = jobSizes.map((size) => Array.from({ length: size }, () => usageEvent(++recordId)));
  const sizes: number[] = [];
  const ends = await storeInTransactions(jobs, async (events) => {
    sizes.push(events.length);
    store(events);
  });
  return { sizes, outcomes: ends.map((end) => (end.kind === 'failed' ? end.error : end.kind)) };
}
