import { stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { startProcess } from '../support/processes.ts';

test('with everything installed it says nothing and touches nothing', async () => {
  const before = await stat('node_modules/.package-lock.json');
  const install = startProcess('scripts/install.mjs', {});
  expect(await install.exited).toEqual({ code: 0, signal: null });
  expect(install.lines).toEqual([]);
  expect((await stat('node_modules/.package-lock.json')).mtimeMs).toBe(before.mtimeMs);
});
