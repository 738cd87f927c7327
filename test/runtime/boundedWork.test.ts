import { expect, test } from 'vitest';
import { BoundedWork } from '../../src/runtime/boundedWork.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';

const bounded = (longestWaitMilliseconds = 10_000) =>
  new BoundedWork({ what: 'This', running: 2, waiting: 3, longestWaitMilliseconds });

test('two run, three wait for their turn in order, and the sixth is refused', async () => {
  const work = bounded();
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const runs = gates.map((gate, index) =>
    work.run(async () => {
      begun.push(index);
      await gate.promise;
      return index;
    }),
  );
  await expect(work.run(async () => 'sixth')).rejects.toThrow(ServiceUnavailableError);
  expect(begun).toEqual([0, 1]);
  for (const [index, gate] of gates.entries()) {
    gate.resolve();
    expect(await runs[index]).toBe(index);
  }
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  expect(await work.run(async () => 'free again')).toBe('free again');
});

test('work that fails leaves its place', async () => {
  const work = bounded();
  for (let count = 0; count < 6; count++) {
    await expect(work.run(() => Promise.reject(new TypeError('broken')))).rejects.toThrow(TypeError);
  }
  expect(await work.run(async () => 'runs')).toBe('runs');
});

test('who waits too long is refused, and takes no place', async () => {
  const work = bounded(30);
  const gate = Promise.withResolvers<void>();
  const running = [work.run(() => gate.promise), work.run(() => gate.promise)];
  await expect(work.run(async () => 'late')).rejects.toThrow(ServiceUnavailableError);
  gate.resolve();
  await Promise.all(running);
  const both = Promise.withResolvers<void>();
  let begun = 0;
  const again = Array.from({ length: 2 }, () =>
    work.run(async () => {
      begun += 1;
      if (begun === 2) both.resolve();
      await both.promise;
    }),
  );
  await Promise.all(again);
  expect(begun).toBe(2);
});
