import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes a folder for PATH that has everything of the system but a Redis. */
export async function linkTools(folder: string): Promise<void> {
  const seen = new Set<string>();
  for (const source of ['/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    for (const name of await readdir(source).catch(() => [])) {
      if (seen.has(name) || /^(redis|valkey)-/.test(name)) continue;
      seen.add(name);
      await symlink(join(source, name), join(folder, name));
    }
  }
}
