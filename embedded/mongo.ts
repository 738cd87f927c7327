import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EmbeddedServer, EmbeddedServerError } from './embeddedServer.ts';
import { findOnPath } from './findOnPath.ts';
import { endLeftover } from './leftover.ts';
import { isPortFree, pickLoopbackPort } from './loopbackPort.ts';
import { becomePrimary } from './replicaSet.ts';
import { type ServerProcess, spawnServer } from './serverProcess.ts';

export interface MongoOptions {
  /** Folder of the data, made when missing. The caller sees to it that nobody else uses it. */
  dir: string;
  /** @defaultValue a free port */
  port?: number;
}

/** The file that holds everything when the server of our own runs. */
export const MONGO_FILE = 'millrace.sqlite';

const OWN_SERVER = fileURLToPath(new URL('./mongo/src/main.ts', import.meta.url));
const READY_LIMIT_MS = 60_000;

/**
 * Starts MongoDB on loopback only: `mongod` from PATH as a replica set of one (transactions need a set), else the small server
 * of our own. A folder is used by the kind of server that made it.
 *
 * @throws {EmbeddedServerError} when the port is taken or the data does not load
 */
export async function startMongo(options: MongoOptions): Promise<EmbeddedServer> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const port = options.port ?? (await pickLoopbackPort());
  if (!(await isPortFree(port)))
    throw new EmbeddedServerError(`MongoDB cannot start: port ${port} is in use.`);

  const server = await startServer(dir, port);
  const url = `mongodb://127.0.0.1:${port}/millrace?replicaSet=rs0`;
  return { url, port, pid: server.pid, exited: server.exited, stop: server.stop };
}

function startServer(dir: string, port: number): Promise<ServerProcess> {
  const mongod = findOnPath('mongod');
  const madeByMongod = existsSync(join(dir, 'mongod'));
  const madeByOwnServer = existsSync(join(dir, MONGO_FILE));
  if (mongod && !madeByOwnServer) return startMongod(mongod, dir, port);
  if (!madeByMongod) return startOwnServer(dir, port);
  throw new EmbeddedServerError(`The data in ${dir} was written by mongod, which is no longer on PATH.`);
}

async function startOwnServer(dir: string, port: number): Promise<ServerProcess> {
  const file = join(dir, MONGO_FILE);
  const settings = ['--file', file, '--port', String(port), '--exit-with-stdin'];
  const server = spawnServer(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    OWN_SERVER,
    ...settings,
  ]);
  const ready = new Promise<'ready'>((resolveReady) => {
    server.onLine((line) => {
      if (isReadyLine(line)) resolveReady('ready');
    });
  });
  const limit = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => limit.resolve('late'), READY_LIMIT_MS);
  const outcome = await Promise.race([ready, server.exited, limit.promise]);
  clearTimeout(timer);
  if (outcome === 'ready') return server;
  await server.stop();
  throw startFailure(dir, server.logTail());
}

function isReadyLine(line: string): boolean {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === 'object' && message !== null && 'ready' in message && message.ready === true;
  } catch {
    return false;
  }
}

async function startMongod(command: string, dir: string, port: number): Promise<ServerProcess> {
  const dbpath = join(dir, 'mongod');
  const pidFile = join(dir, 'mongod.pid');
  await mkdir(dbpath, { recursive: true, mode: 0o700 });
  await endLeftover(pidFile, dbpath);
  const place = [
    '--dbpath',
    dbpath,
    '--pidfilepath',
    pidFile,
    '--port',
    String(port),
    '--bind_ip',
    '127.0.0.1',
  ];
  const server = spawnServer(command, [...place, '--replSet', 'rs0', '--quiet']);
  const started = becomePrimary(port, READY_LIMIT_MS, () => server.isRunning());
  const outcome = await started.catch((error: unknown) =>
    error instanceof Error ? error.message : String(error),
  );
  if (outcome === 'primary') return server;
  await server.stop();
  throw startFailure(dir, `${server.logTail()}\n${outcome}`);
}

function startFailure(dir: string, log: string): EmbeddedServerError {
  return new EmbeddedServerError(
    `MongoDB did not start on the data in ${dir}. Its last words:\n${log}\n` +
      'Nothing was changed. If the data is damaged, restore a backup: npm run data -- restore <file>.',
  );
}
