import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { drawProjectCode } from '../../../src/domain/workspace/projectCode.ts';

test('a code is six of A-Z and 0-9, behind IMG_ for the image app alone', () => {
  for (let drawn = 0; drawn < 1_000; drawn++) {
    expect(drawProjectCode('penora', randomInt)).toMatch(/^[A-Z0-9]{6}$/);
    expect(drawProjectCode('imagegene', randomInt)).toMatch(/^IMG_[A-Z0-9]{6}$/);
    expect(drawProjectCode('ImageGene', randomInt)).toMatch(/^[A-Z0-9]{6}$/);
  }
});

test('every character can come, from the first to the last', () => {
  const indexes = [0, 25, 26, 35, 9, 30];
  expect(drawProjectCode('penora', () => indexes.shift() ?? 0)).toBe('AZ09J4');
  const limits: number[] = [];
  drawProjectCode('penora', (limit) => limits.push(limit) * 0);
  expect(limits).toEqual([36, 36, 36, 36, 36, 36]);
});
