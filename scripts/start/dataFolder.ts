import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readJsonFile, removeFile, writeJsonFile } from './jsonFile.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Another start, or a command that looks whether one runs, may hold the lock for a moment. */
const LOCK_WAIT_MS = 500;
const SQLITE_BUSY = 5;

const holder = z.object({
  pid: z.number(),
  /** What the holder does, such as `npm start`. */
  activity: z.string(),
  base_url: z.string().optional(),
  redis_url: z.string().optional(),
  mongodb_url: z.string().optional(),
  /** Processes of the embedded databases, as far as they are embedded. */
  embedded: z.object({ redis: z.number().optional(), mongo: z.number().optional() }).optional(),
  /** What `npm run demo` prints; absent until the system is ready. */
  demo: z.record(z.string(), z.unknown()).optional(),
});

/** Who uses a data folder at the moment, and where the system can be reached. */
export type Holder = z.infer<typeof holder>;

/** Somebody uses the data folder. */
export class DataFolderInUseError extends Error {
  override name = 'DataFolderInUseError';

  constructor(folder: string, user: Holder | undefined) {
    const who = user ? `${user.activity}, pid ${user.pid}` : 'a process that is just starting';
    const where = user?.base_url ? `, at ${user.base_url}` : '';
    super(
      `The data folder ${folder} is in use (${who}${where}). Stop it first, or choose another folder with DATA_DIR.`,
    );
  }
}

/** The data folder cannot be made, read or written. */
export class DataFolderError extends Error {
  override name = 'DataFolderError';

  constructor(folder: string, cause: Error) {
    super(`The data folder ${folder} cannot be used: ${cause.message}; choose another with DATA_DIR.`, {
      cause,
    });
  }
}

/** The sole use of a data folder, held until `release` or the end of the process, however that comes. */
export interface DataFolderLock {
  /** Tells others about the holder. */
  describe(holder: Holder): void;
  release(): void;
}

/** `DATA_DIR`, by default `.data` beside package.json. */
export function dataFolder(): string {
  return process.env.DATA_DIR ? resolve(process.env.DATA_DIR) : join(ROOT, '.data');
}

/** The folder as people type it: short when it lies below where they are. */
export function displayName(folder: string): string {
  const short = relative(process.cwd(), folder);
  return short === '' || short.startsWith('..') ? folder : short;
}

/**
 * Takes the sole use of a data folder, which is made when missing. The lock is one of the operating system, taken by SQLite on an
 * empty file: it ends with the process, so there are no stale ones and no pid has to be trusted.
 *
 * @throws {DataFolderInUseError | DataFolderError}
 */
export function lockDataFolder(folder: string, activity: string): DataFolderLock {
  const describe = (user: Holder) => writeJsonFile(holderFile(folder), user);
  const lock = explained(folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const taken = tryLock(folder, LOCK_WAIT_MS);
    if (!taken) throw new DataFolderInUseError(folder, readHolder(folder));
    describe({ pid: process.pid, activity });
    return taken;
  });
  return {
    describe,
    release() {
      removeFile(holderFile(folder));
      lock.close();
    },
  };
}

/** Who uses the folder now, or undefined when nobody does. @throws {DataFolderError} */
export function findHolder(folder: string): Holder | undefined {
  return explained(folder, () => {
    const file = readHolder(folder);
    if (!file) return undefined;
    const lock = tryLock(folder, 0);
    lock?.close();
    return lock ? undefined : file;
  });
}

/** What the operating system or SQLite refuses has a code; anything else is a defect. */
function explained<T>(folder: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new DataFolderError(folder, error);
    throw error;
  }
}

function tryLock(folder: string, waitMs: number): DatabaseSync | undefined {
  const lock = new DatabaseSync(join(folder, 'lock'));
  try {
    lock.exec(`PRAGMA busy_timeout = ${waitMs}; BEGIN EXCLUSIVE`);
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

function readHolder(folder: string): Holder | undefined {
  const parsed = holder.safeParse(readJsonFile(holderFile(folder)));
  return parsed.success ? parsed.data : undefined;
}

function holderFile(folder: string): string {
  return join(folder, 'running.json');
}
