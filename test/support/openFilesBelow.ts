import { readdir, readlink } from 'node:fs/promises';

/** How many files this process holds open whose path begins like this: below a folder, or one file. */
export async function openFilesBelow(path: string): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return targets.filter((target) => target.startsWith(path)).length;
}
