import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkArchitecture } from '../scripts/test/checks.ts';

/** A tree of source files of its own, as `path: content`. */
async function plant(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-planted-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

test('imports against the direction are found, also those of types only', async () => {
  const root = await plant({
    'src/domain/money.ts': "import '../runtime/logger.ts';\nexport type Money = bigint;",
    'src/producers/record.ts': "import '../api/errors.ts';",
    'src/runtime/logger.ts': "import '../../embedded/redis.ts';",
    'src/api/errors.ts': "import type { Job } from '../workers/job.ts';\nexport const x: Job = 1;",
    'src/workers/job.ts': 'export type Job = number;',
    'src/platforms/shop.ts': "import '../models/users.ts';",
    'src/workers/main.ts': '',
    'src/models/users.ts': "import './stores.ts';",
    'src/models/stores.ts': "import './users.ts';",
    'embedded/redis.ts': "import '../src/domain/money.ts';",
    'scripts/start.ts': "import '../src/workers/main.ts';",
  });
  const { ok, output } = await checkArchitecture(root);
  expect(ok).toBe(false);
  for (const violation of [
    'src/domain/money.ts → src/runtime/logger.ts',
    'src/producers/record.ts → src/api/errors.ts',
    'src/runtime/logger.ts → embedded/redis.ts',
    'src/api/errors.ts → src/workers/job.ts',
    'src/platforms/shop.ts → src/models/users.ts',
    'embedded/redis.ts → src/domain/money.ts',
    'scripts/start.ts → src/workers/main.ts',
    'no circles: src/models/',
  ]) {
    expect(output).toContain(violation);
  }
});

test('imports in the direction pass', async () => {
  const root = await plant({
    'src/api/routes.ts': "import '../producers/record.ts';",
    'src/producers/record.ts': "import '../queues/usage.ts';",
    'src/queues/usage.ts': "import '../domain/money.ts';",
    'src/domain/money.ts': '',
  });
  expect(await checkArchitecture(root)).toMatchObject({ ok: true });
});

test('a tree of which no import is read does not pass', async () => {
  const root = await plant({ 'src/domain/money.ts': '' });
  expect(await checkArchitecture(root)).toMatchObject({ ok: false });
});
