import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);
const MANIFEST = 'manifest.json';

const manifest = z.object({
  format: z.literal('millrace-data-1'),
  created_at: z.iso.datetime(),
  files: z.record(z.string(), z.object({ bytes: z.number(), sha256: z.string() })),
});

type Files = z.infer<typeof manifest>['files'];

/** The file is not a backup of ours, or not a whole one. Nothing was changed. */
export class ArchiveError extends Error {
  override name = 'ArchiveError';
}

/** What an archive holds. */
export interface ArchiveSize {
  files: number;
  bytes: number;
}

/** Packs a folder, with a list of its files and their checksums, into a file that only its owner may read. */
export async function pack(folder: string, target: string): Promise<ArchiveSize> {
  const files = await listFiles(folder);
  const content = { format: 'millrace-data-1', created_at: new Date().toISOString(), files };
  await writeFile(join(folder, MANIFEST), JSON.stringify(content, undefined, 2), { mode: 0o600 });
  const unfinished = `${target}.unfinished`;
  try {
    const reserved = await open(unfinished, 'w', 0o600);
    await run('tar', ['-czf', unfinished, '-C', folder, '.']);
    await reserved.sync();
    await reserved.close();
    await rename(unfinished, target);
  } finally {
    await rm(unfinished, { force: true });
  }
  return { files: Object.keys(files).length, bytes: (await stat(target)).size };
}

/**
 * Unpacks an archive into an empty folder and compares every file with its checksum.
 *
 * @throws {ArchiveError}
 */
export async function unpack(archive: string, folder: string): Promise<void> {
  try {
    await run('tar', ['-xzf', archive, '--no-same-owner', '-C', folder]);
  } catch (error) {
    throw new ArchiveError(`${archive} cannot be unpacked: it is not there, not a backup, or not whole.`, {
      cause: error,
    });
  }
  const expected = await readManifest(archive, folder);
  await rm(join(folder, MANIFEST));
  const found = await listFiles(folder);
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  for (const name of names) {
    if (expected[name]?.sha256 === found[name]?.sha256) continue;
    throw new ArchiveError(`${archive} is damaged: ${name} is not what was backed up.`);
  }
}

async function readManifest(archive: string, folder: string): Promise<Files> {
  try {
    return manifest.parse(JSON.parse(await readFile(join(folder, MANIFEST), 'utf8'))).files;
  } catch (error) {
    throw new ArchiveError(`${archive} is not a backup made by npm run data -- backup.`, { cause: error });
  }
}

/** Every file below the folder. Links and devices have no place in a backup, they are refused. */
async function listFiles(folder: string): Promise<Files> {
  const files: Files = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) throw new ArchiveError(`${path} is neither a file nor a folder.`);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    files[relative(folder, path)] = { bytes: (await stat(path)).size, sha256: hash.digest('hex') };
  }
  return files;
}
