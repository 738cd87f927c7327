import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { startProcess } from '../support/processes.ts';
import { temporaryFolder } from '../support/temporaryFolder.ts';
import type { CommandResult } from './testStart.ts';

const lockFile = z.object({ packages: z.record(z.string(), z.looseObject({ dev: z.boolean().optional() })) });

test('with everything installed it says nothing and touches nothing', async () => {
  const before = await stat('node_modules/.package-lock.json');
  const install = startProcess('scripts/install.mjs', {});
  expect(await install.exited).toEqual({ code: 0, signal: null });
  expect(install.lines).toEqual([]);
  expect((await stat('node_modules/.package-lock.json')).mtimeMs).toBe(before.mtimeMs);
});

test('what was installed without the dev tools and without its own Node is enough, except for the tests', async () => {
  const folder = await installedForProduction();
  expect(await install(folder, 'preusers')).toEqual({ code: 0, output: '' });
  expect(await install(folder, 'pretest')).toEqual({ code: 1, output: cannotInstall(folder) });
  await rm(join(folder, 'node_modules/express'), { recursive: true });
  expect(await install(folder, 'preusers')).toEqual({ code: 1, output: cannotInstall(folder) });
});

/** A sentence, without a stack. */
function cannotInstall(folder: string) {
  return expect.stringMatching(
    new RegExp(
      `^Packages or Node .* are missing, and nothing can be installed into ${folder}/: EEXIST[^\\n]*$`,
    ),
  );
}

async function install(folder: string, step: string): Promise<CommandResult> {
  const running = startProcess(join(folder, 'scripts/install.mjs'), { npm_lifecycle_event: step });
  const { code } = await running.exited;
  return { code, output: running.lines.join('\n') };
}

/** As `npm install --omit=dev --ignore-scripts` leaves it, in a folder that takes no lock: a file stands in its place. */
async function installedForProduction(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'scripts'));
  await copyFile('scripts/install.mjs', join(folder, 'scripts/install.mjs'));
  await copyFile('package-lock.json', join(folder, 'package-lock.json'));
  await writeFile(join(folder, '.cache'), '');
  const lock = lockFile.parse(JSON.parse(await readFile('package-lock.json', 'utf8')));
  const places = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
  for (const [place] of places) {
    await mkdir(join(folder, place), { recursive: true });
    await writeFile(join(folder, place, 'package.json'), '{}');
  }
  const installed = JSON.stringify({ packages: Object.fromEntries(places) });
  await writeFile(join(folder, 'node_modules/.package-lock.json'), installed);
  return folder;
}
