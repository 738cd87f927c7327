import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { IconFile } from '../../src/domain/icons/icon.ts';
import type { StoredIcon } from '../../src/domain/icons/storedIcon.ts';
import { prepareIcons } from '../../src/models/iconDocuments.ts';
import {
  type ClearSelection,
  findFile,
  listFiles,
  markSaved,
  selectFilesToClear,
  takeFilesToClear,
} from '../../src/models/iconFiles.ts';
import { generations, iconFiles } from '../../src/models/iconGenerationDocuments.ts';
import { recordFile } from '../../src/models/iconGenerations.ts';
import { readStats } from '../../src/models/iconStats.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { keyOf, newFile } from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('iconfiles');
  await prepareIcons(system.connection);
});
beforeEach(async () => {
  await iconFiles(system.connection).deleteMany({});
  await generations(system.connection).deleteMany({});
});
afterAll(() => system.remove());

const HOUR = 3_600_000;

async function stored(folder: string, created_at: number): Promise<IconFile> {
  const file = { ...newFile(folder), created_at };
  await recordFile(system.connection, {
    key: keyOf(file.path),
    image_id: 'some-image',
    call_id: undefined,
    tokens: null,
    file,
    metadata: { style: 'flat', color_scheme: 'pastel', category: folder, model: 'local-drawing-1' },
    generation_milliseconds: null,
  });
  return file;
}

async function take(selection: ClearSelection, limit: number): Promise<StoredIcon[]> {
  const { connection } = system;
  return takeFilesToClear(connection, await selectFilesToClear(connection, selection), limit);
}

const pathsOf = (files: readonly IconFile[]) => files.map((file) => file.path);

test('icons are listed the newest first, of one folder or all, so many', async () => {
  const { connection } = system;
  const [old, newer, other] = [
    await stored('tools', 1_000),
    await stored('tools', 3_000),
    await stored('books', 2_000),
  ];
  expect(pathsOf(await listFiles(connection, undefined, 10))).toEqual(pathsOf([newer, other, old]));
  expect(pathsOf(await listFiles(connection, undefined, 2))).toEqual(pathsOf([newer, other]));
  expect(pathsOf(await listFiles(connection, 'tools', 10))).toEqual(pathsOf([newer, old]));
  expect(await listFiles(connection, 'toys', 10)).toEqual([]);
  expect(await readStats(connection)).toMatchObject({ cached_icons: 3, categories_covered: 2 });
});

test('clearing takes the eldest that fit, forgets them with their content, and spares what is saved', async () => {
  const { connection } = system;
  const now = Date.now();
  const old = await stored('tools', now - 3 * HOUR);
  const saved = await stored('tools', now - 2 * HOUR);
  const young = await stored('tools', now - HOUR);
  const other = await stored('books', now - 3 * HOUR);
  expect(await markSaved(connection, [saved.path, 'tools/unknown.png'])).toBe(1);
  expect(await findFile(connection, saved.path)).toMatchObject({ saved: true });

  const someTools = { category: 'tools', olderThan: 1.5 * HOUR };
  expect(pathsOf(await take(someTools, 10))).toEqual([old.path]);
  expect(await take(someTools, 10)).toEqual([]);
  expect(await take({ category: 'toys' }, 10)).toEqual([]);
  expect(pathsOf(await take({}, 1))).toEqual([other.path]);
  expect(pathsOf(await take({}, 10))).toEqual([young.path]);
  expect(pathsOf(await listFiles(connection, undefined, 10))).toEqual([saved.path]);
  expect((await generations(connection).find().toArray()).map((one) => one._id)).toEqual([keyOf(saved.path)]);
});

test('each file is taken by one of those who clear at once, and never one that was saved before', async () => {
  const { connection } = system;
  const files = await Promise.all(Array.from({ length: 30 }, (_, at) => stored('tools', 1_000 + at)));
  const [cleared, saves] = await Promise.all([
    Promise.all(Array.from({ length: 6 }, () => take({}, 10))),
    Promise.all(
      files
        .slice(0, 10)
        .map(async (file) => ({ path: file.path, kept: (await markSaved(connection, [file.path])) === 1 })),
    ),
  ]);
  const taken = pathsOf(cleared.flat());
  expect(new Set(taken).size).toBe(taken.length);
  for (const { path, kept } of saves) expect(taken.includes(path)).toBe(!kept);
  const left = pathsOf(await listFiles(connection, undefined, 100));
  expect([...taken, ...left].sort()).toEqual(pathsOf(files).sort());
});
