import { expect, test } from 'vitest';
import { megabytes, STORAGE_LIMIT_BYTES, storageFigures } from '../../../src/domain/workspace/storage.ts';

test.each([
  [0, { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0 }],
  // A tiny project does not show.
  [5_242, { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0.5 }],
  [5_243, { used_mb: 0.01, limit_mb: 1, available_mb: 0.99, usage_percentage: 0.5 }],
  // 0.12 MB, as the contract's example has it.
  [125_829, { used_mb: 0.12, limit_mb: 1, available_mb: 0.88, usage_percentage: 12 }],
  // Ties go to the even neighbour: 0.125 and 0.875, 0.375 and 0.625, 6.25 % and 18.75 %.
  [131_072, { used_mb: 0.12, limit_mb: 1, available_mb: 0.88, usage_percentage: 12.5 }],
  [393_216, { used_mb: 0.38, limit_mb: 1, available_mb: 0.62, usage_percentage: 37.5 }],
  [65_536, { used_mb: 0.06, limit_mb: 1, available_mb: 0.94, usage_percentage: 6.2 }],
  [196_608, { used_mb: 0.19, limit_mb: 1, available_mb: 0.81, usage_percentage: 18.8 }],
  [STORAGE_LIMIT_BYTES - 1, { used_mb: 1, limit_mb: 1, available_mb: 0, usage_percentage: 100 }],
  [STORAGE_LIMIT_BYTES, { used_mb: 1, limit_mb: 1, available_mb: 0, usage_percentage: 100 }],
  // What was saved before a limit was lowered.
  [2 * STORAGE_LIMIT_BYTES, { used_mb: 2, limit_mb: 1, available_mb: 0, usage_percentage: 200 }],
])('%i bytes', (bytes, figures) => {
  expect(storageFigures(bytes)).toEqual(figures);
});

test('megabytes print with two decimals at most', () => {
  for (let bytes = 0; bytes <= STORAGE_LIMIT_BYTES; bytes += 997) {
    expect(String(megabytes(bytes))).toMatch(/^[01](\.\d{1,2})?$/);
    expect(Math.abs(megabytes(bytes) - bytes / 1_048_576)).toBeLessThanOrEqual(0.005);
  }
});
