import { expect, test } from 'vitest';
import { ThrottlePauses } from '../../src/workers/icons/throttlePauses.ts';

test('a 429 without a time rests once, then for twice as long until a call goes well', () => {
  const pauses = new ThrottlePauses(5_000);
  const together = performance.now();
  expect([pauses.refused(together), pauses.refused(together), pauses.refused(together)]).toEqual([
    5_000, 5_000, 5_000,
  ]);
  const after = performance.now() + 1;
  expect(pauses.refused(after)).toBe(10_000);
  expect(pauses.refused(after + 10_000)).toBe(10_000);
  pauses.succeeded();
  expect(pauses.refused(after + 20_000)).toBe(5_000);
});
