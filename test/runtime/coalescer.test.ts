import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Coalescer, CoalescerFullError } from '../../src/runtime/coalescer.ts';

/** A write that the test ends when it wants to. */
interface OpenWrite {
  readonly items: readonly number[];
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

describe('sharing writes', () => {
  test('a lone caller is written at once, without a timer', async () => {
    const { coalescer, writes } = controlled(100, 100);
    const result = coalescer.add(1);
    await nextTurn();
    expect(writes.map((write) => write.items)).toEqual([[1]]);
    writes[0]?.succeed();
    expect(await result).toBe('written 1');
  });

  test('callers of the same turn of the event loop share the first write', async () => {
    const { coalescer, writes } = controlled(100, 100);
    const results = [coalescer.add(1), coalescer.add(2), coalescer.add(3)];
    await nextTurn();
    expect(writes.map((write) => write.items)).toEqual([[1, 2, 3]]);
    writes[0]?.succeed();
    expect(await Promise.all(results)).toEqual(['written 1', 'written 2', 'written 3']);
  });

  test('what arrives while a write is running is gathered and written together, in order', async () => {
    const { coalescer, writes } = controlled(100, 100);
    const results = [coalescer.add(1)];
    await nextTurn();
    for (const item of [2, 3, 4]) {
      results.push(coalescer.add(item));
      await nextTurn();
    }
    expect(writes).toHaveLength(1);
    writes[0]?.succeed();
    await results[0];
    await nextTurn();
    expect(writes.map((write) => write.items)).toEqual([[1], [2, 3, 4]]);
    writes[1]?.succeed();
    expect(await Promise.all(results)).toEqual(['written 1', 'written 2', 'written 3', 'written 4']);
  });

  test('several writes run at a time when they may, and no more', async () => {
    const { coalescer, writes } = controlled(100, 100, 2);
    const results = [];
    for (const item of [1, 2, 3, 4]) {
      results.push(coalescer.add(item));
      await nextTurn();
    }
    expect(writes.map((write) => write.items)).toEqual([[1], [2]]);
    writes[1]?.succeed();
    await results[1];
    await nextTurn();
    expect(writes.map((write) => write.items)).toEqual([[1], [2], [3, 4]]);
    writes[0]?.succeed();
    writes[2]?.succeed();
    expect(await Promise.all(results)).toEqual(['written 1', 'written 2', 'written 3', 'written 4']);
  });

  test('a write takes no more than it may, the rest follows in order', async () => {
    const sizes: number[] = [];
    const coalescer = new Coalescer<number, number>(
      async (items) => {
        sizes.push(items.length);
        return items.map((item) => item * 2);
      },
      { largestWrite: 10, mostWaiting: 1_000, writesAtOnce: 1 },
    );
    const items = Array.from({ length: 35 }, (_, index) => index);
    expect(await Promise.all(items.map((item) => coalescer.add(item)))).toEqual(
      items.map((item) => item * 2),
    );
    expect(sizes).toEqual([10, 10, 10, 5]);
  });

  test('every caller gets the result of its own item, in whatever rhythm they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        async (pauses, largestWrite) => {
          const written: number[] = [];
          let running = 0;
          const coalescer = new Coalescer<number, string>(
            async (items) => {
              running += 1;
              expect(running).toBe(1);
              expect(items.length).toBeLessThanOrEqual(largestWrite);
              await nextTurn();
              written.push(...items);
              running -= 1;
              return items.map((item) => `written ${item}`);
            },
            { largestWrite, mostWaiting: 1_000, writesAtOnce: 1 },
          );
          const results: Promise<string>[] = [];
          for (const [index, pause] of pauses.entries()) {
            results.push(coalescer.add(index));
            for (let turn = 0; turn < pause; turn += 1) await nextTurn();
          }
          expect(await Promise.all(results)).toEqual(pauses.map((_, index) => `written ${index}`));
          expect(written).toEqual(pauses.map((_, index) => index));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('failures', () => {
  test('a failed write rejects its own callers with its own error, and the next one goes on', async () => {
    const { coalescer, writes } = controlled(2, 100);
    const results = [1, 2, 3, 4].map((item) => coalescer.add(item));
    const settled = Promise.allSettled(results);
    const outage = new Error('the store is away');
    await nextTurn();
    writes[0]?.fail(outage);
    await results[0]?.catch(() => undefined);
    await nextTurn();
    writes[1]?.succeed();
    expect(await settled).toEqual([
      { status: 'rejected', reason: outage },
      { status: 'rejected', reason: outage },
      { status: 'fulfilled', value: 'written 3' },
      { status: 'fulfilled', value: 'written 4' },
    ]);
  });

  test('a write that throws before it returns a promise is a failed write like any other', async () => {
    let calls = 0;
    const coalescer = new Coalescer<number, number>(
      (items) => {
        calls += 1;
        if (calls === 1) throw new RangeError('first');
        return Promise.resolve(items);
      },
      { largestWrite: 10, mostWaiting: 10, writesAtOnce: 1 },
    );
    await expect(coalescer.add(1)).rejects.toThrow(RangeError);
    expect(await coalescer.add(2)).toBe(2);
  });

  test('a caller whose item got no result is told, the others get theirs', async () => {
    const coalescer = new Coalescer<number, number>(async (items) => items.slice(0, 1), {
      largestWrite: 10,
      mostWaiting: 10,
      writesAtOnce: 1,
    });
    const [first, second] = await Promise.allSettled([coalescer.add(1), coalescer.add(2)]);
    expect(first).toEqual({ status: 'fulfilled', value: 1 });
    expect(second).toMatchObject({ status: 'rejected' });
  });
});

test('an item that is not to be written any more when its turn comes is left out, and its caller told why', async () => {
  const writes: (readonly number[])[] = [];
  const tooLate = new Set<number>();
  const coalescer = new Coalescer<number, number>(
    async (items) => {
      writes.push(items);
      for (const item of [3, 4, 5]) tooLate.add(item);
      return items;
    },
    { largestWrite: 2, mostWaiting: 10, writesAtOnce: 1 },
    (item) => (tooLate.has(item) ? new RangeError(`${item} is too late`) : undefined),
  );
  tooLate.add(1);
  const answers = await Promise.allSettled([1, 2, 3, 4, 5, 6].map((item) => coalescer.add(item)));
  expect(answers.map(({ status }) => status === 'fulfilled')).toEqual([
    false,
    true,
    false,
    false,
    false,
    true,
  ]);
  expect(answers[3]).toMatchObject({ reason: new RangeError('4 is too late') });
  expect(writes).toEqual([[2], [6]]);
  tooLate.clear();
  expect(await coalescer.add(7)).toBe(7);
});

test('more than the limit is refused at once and never kept; there is room again after the write', async () => {
  const { coalescer, writes } = controlled(3, 3);
  const running = [1, 2, 3].map((item) => coalescer.add(item));
  await nextTurn();
  const waiting = [4, 5, 6].map((item) => coalescer.add(item));
  await expect(coalescer.add(7)).rejects.toThrow(CoalescerFullError);
  writes[0]?.succeed();
  await Promise.all(running);
  await nextTurn();
  const later = coalescer.add(8);
  writes[1]?.succeed();
  await Promise.all(waiting);
  await nextTurn();
  writes[2]?.succeed();
  expect(await later).toBe('written 8');
  expect(writes.map((write) => write.items)).toEqual([[1, 2, 3], [4, 5, 6], [8]]);
});

function controlled(largestWrite: number, waitingLimit: number, writesAtOnce = 1) {
  const writes: OpenWrite[] = [];
  const coalescer = new Coalescer<number, string>(
    (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      writes.push({ items, succeed: () => resolve(items.map((item) => `written ${item}`)), fail: reject });
      return promise;
    },
    { largestWrite, mostWaiting: waitingLimit, writesAtOnce },
  );
  return { coalescer, writes };
}
