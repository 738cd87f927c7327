import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath } from './findOnPath.ts';

const run = promisify(execFile);
const COMMAND_LIMIT_MS = 120_000;
const LEFTOVER_AGE_MS = 60 * 60 * 1000;
/** A missing library can need another library: so many rounds of looking for missing ones are enough for any server. */
const LIBRARY_ROUNDS = 4;

/** A program that was unpacked beside the system, with the folder of the libraries it needs. */
export interface UnpackedProgram {
  command: string;
  libraryPath: string;
}

/** Whether this machine has the tools to unpack Debian packages without installing them. */
export function canUnpackPackages(): boolean {
  return ['apt-get', 'dpkg', 'dpkg-deb', 'dpkg-query', 'ldd'].every((tool) => findOnPath(tool) !== undefined);
}

/**
 * Downloads Debian packages and unpacks them into `target`, with the libraries that the system lacks. Needs no root
 * and installs nothing: the package lists are read into a temporary folder. `target` appears by one rename, so that a
 * killed or a concurrent start never leaves half of a copy.
 *
 * @param program path of the program inside the packages, for example `usr/bin/redis-server`
 * @throws {Error} when the packages cannot be had; the message holds what apt said
 */
export async function unpackPackages(packages: string[], program: string, target: string): Promise<void> {
  const cache = dirname(target);
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const work = await mkdtemp(join(cache, '.unpacking-'));
  try {
    await chmod(work, 0o755);
    const root = join(work, 'root');
    await mkdir(root);
    const apt = await openApt(work);
    const dependencies = await apt.unpack(packages, root);
    await addMissingLibraries(apt, dependencies, program, root);
    await moveIntoPlace(root, target, join(work, 'replaced'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The program of an unpacked copy and where its libraries are. */
export async function unpackedProgram(root: string, program: string): Promise<UnpackedProgram> {
  const folders: string[] = [];
  for (const parent of ['lib', 'usr/lib']) {
    for (const name of await readdir(join(root, parent)).catch(() => [])) {
      if (name.includes('-linux-')) folders.push(join(root, parent, name));
    }
  }
  return { command: join(root, program), libraryPath: folders.join(':') };
}

interface Apt {
  /** Downloads and unpacks packages into a folder; answers the names of the library packages they depend on. */
  unpack(packages: string[], root: string): Promise<string[]>;
}

/** apt with lists and caches of its own; the system's lists are used when fresh ones cannot be had. */
async function openApt(work: string): Promise<Apt> {
  const downloads = join(work, 'downloads');
  await mkdir(downloads);
  await mkdir(join(work, 'lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  const common = ['-q', '-o', `Dir::Cache=${work}/cache`, '-o', 'Debug::NoLocking=1'];
  common.push('-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=20', '-o', 'APT::Sandbox::User=root');
  const ownLists = [...common, '-o', `Dir::State::lists=${work}/lists`];

  const options = await runTool('apt-get', [...ownLists, 'update', '--error-on=any'], work).then(
    () => ownLists,
    () => common,
  );
  return {
    async unpack(packages, root) {
      await runTool('apt-get', [...options, 'download', ...packages], downloads);
      const dependencies: string[] = [];
      for (const name of await readdir(downloads)) {
        const file = join(downloads, name);
        dependencies.push(...libraryNames(await runTool('dpkg-deb', ['-f', file, 'Depends'], work)));
        await runTool('dpkg', ['-x', file, root], work);
        await rm(file);
      }
      return dependencies;
    },
  };
}

/** The library packages of a `Depends` field: `libc6 (>= 2.34), libssl3 | libssl1.1` gives libc6 and libssl3. */
function libraryNames(depends: string): string[] {
  return depends
    .split(',')
    .map((entry) => /^\s*(lib[\w.+-]+)/.exec(entry)?.[1])
    .filter((name) => name !== undefined);
}

async function addMissingLibraries(apt: Apt, dependencies: string[], program: string, root: string) {
  const seen = new Set<string>();
  let candidates = dependencies;
  for (let round = 0; round < LIBRARY_ROUNDS; round += 1) {
    if (!(await lacksLibraries(root, program))) return;
    const wanted: string[] = [];
    for (const name of candidates) {
      if (seen.has(name)) continue;
      seen.add(name);
      if (!(await isInstalled(name))) wanted.push(name);
    }
    if (wanted.length === 0) return;
    candidates = await apt.unpack(wanted, root);
  }
}

async function lacksLibraries(root: string, program: string): Promise<boolean> {
  const { command, libraryPath } = await unpackedProgram(root, program);
  const listing = await runTool('ldd', [command], root, { LD_LIBRARY_PATH: libraryPath });
  return listing.includes('not found');
}

async function isInstalled(name: string): Promise<boolean> {
  const status = await runTool('dpkg-query', ['--status', name], '/').catch(() => '');
  return status.includes('\nStatus: install ok installed\n');
}

/** Replaces what stands at `target`: a broken copy, or the whole one that a concurrent start has just put there. */
async function moveIntoPlace(root: string, target: string, aside: string): Promise<void> {
  await rename(target, aside).catch(() => {});
  try {
    await rename(root, target);
  } catch (error) {
    const otherStartWasFaster = await stat(target).catch(() => undefined);
    if (!otherStartWasFaster) throw error;
  }
}

/** Removes what killed starts left behind; a folder in use by a start of this hour stays. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.unpacking-')) continue;
    const folder = join(cache, name);
    const made = await stat(folder).catch(() => undefined);
    if (made && Date.now() - made.mtimeMs > LEFTOVER_AGE_MS)
      await rm(folder, { recursive: true, force: true });
  }
}

async function runTool(tool: string, args: string[], cwd: string, environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive', ...environment };
  const { stdout } = await run(tool, args, {
    cwd,
    env,
    timeout: COMMAND_LIMIT_MS,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}
