import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { canUnpackPackages, unpackedProgram, unpackPackages } from './debianPackages.ts';
import { EmbeddedServerError } from './embeddedServer.ts';
import { findOnPath } from './findOnPath.ts';

const run = promisify(execFile);
/** BullMQ needs it, and it knows every option that the embedded server is started with. */
const OLDEST_VERSION = [6, 2] as const;

/** A Redis or Valkey server that can be run on this machine. */
export interface RedisProgram {
  command: string;
  /** What has to be added to the environment to run it. */
  environment: NodeJS.ProcessEnv;
}

interface Package {
  names: string[];
  program: string;
}

const PACKAGES: Package[] = [
  { names: ['redis-server', 'redis-tools'], program: 'usr/bin/redis-server' },
  { names: ['valkey-server', 'valkey-tools'], program: 'usr/bin/valkey-server' },
];

/** `$XDG_CACHE_HOME/millrace`, by default `~/.cache/millrace`. */
export function defaultCacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace');
}

/**
 * A server from PATH, else a private copy from the distribution's package, kept in `cacheDir`.
 *
 * @param onNotice told in one line when something is about to take seconds
 * @throws {EmbeddedServerError} saying what to install
 */
export async function findRedis(cacheDir: string, onNotice: (text: string) => void): Promise<RedisProgram> {
  for (const name of ['redis-server', 'valkey-server']) {
    const command = findOnPath(name);
    if (command && (await isUsable({ command, environment: {} }))) return { command, environment: {} };
  }
  return privateCopy(cacheDir, onNotice);
}

async function privateCopy(cacheDir: string, onNotice: (text: string) => void): Promise<RedisProgram> {
  const target = join(cacheDir, `redis-${distribution()}-${process.arch}`);
  const kept = await usableCopy(target);
  if (kept) return kept;

  if (!canUnpackPackages()) throw noRedis('This machine has no apt to take a private copy from.');
  onNotice(`No redis-server on PATH: unpacking a private copy into ${target}`);
  const reasons: string[] = [];
  for (const { names, program } of PACKAGES) {
    try {
      await unpackPackages(names, program, target);
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    const copy = await usableCopy(target);
    if (copy) return copy;
    reasons.push(`The package ${names[0]} was unpacked, but its server does not run.`);
  }
  throw noRedis(`A private copy could not be had:\n${reasons.join('\n').trim()}`);
}

async function usableCopy(target: string): Promise<RedisProgram | undefined> {
  for (const { program } of PACKAGES) {
    const { command, libraryPath } = await unpackedProgram(target, program);
    const copy = { command, environment: { LD_LIBRARY_PATH: libraryPath } };
    if (await isUsable(copy)) return copy;
  }
  return undefined;
}

async function isUsable(candidate: RedisProgram): Promise<boolean> {
  try {
    const env = { ...process.env, ...candidate.environment };
    const { stdout } = await run(candidate.command, ['--version'], { env, timeout: 10_000 });
    const [, major, minor] = /v=(\d+)\.(\d+)/.exec(stdout) ?? [];
    const [oldestMajor, oldestMinor] = OLDEST_VERSION;
    return Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  } catch {
    return false;
  }
}

/** Names the release, such as `debian-12`: a copy made for one release may lack libraries on another. */
function distribution(): string {
  let text = '';
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return process.platform;
  }
  const field = (name: string) => new RegExp(`^${name}="?([\\w.-]+)`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${field('ID')}-${field('VERSION_ID')}`;
}

function noRedis(reason: string): EmbeddedServerError {
  return new EmbeddedServerError(
    `Neither redis-server nor valkey-server ${OLDEST_VERSION.join('.')} or newer was found on PATH. ${reason}\n` +
      'Install one (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis), ' +
      'or set REDIS_URL to a server that runs already.',
  );
}
