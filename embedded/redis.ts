import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type EmbeddedServer, EmbeddedServerError } from './embeddedServer.ts';
import { endLeftover } from './leftover.ts';
import { isPortFree, pickLoopbackPort } from './loopbackPort.ts';
import { pingRedis } from './pingRedis.ts';
import { defaultCacheDir, findRedis } from './redisProgram.ts';
import { type ServerProcess, spawnServer } from './serverProcess.ts';

export interface RedisOptions {
  /** Folder of the data, made when missing. The caller sees to it that nobody else uses it. */
  dir: string;
  /** @defaultValue a free port */
  port?: number;
  /** Where a private copy of the program is kept. @defaultValue `$XDG_CACHE_HOME/millrace` or `~/.cache/millrace` */
  cacheDir?: string;
  /** Told in one line when something is about to take seconds. @defaultValue nobody is told */
  onNotice?: (text: string) => void;
}

const READY_LIMIT_MS = 60_000;
const RETRY_PING_MS = 100;

/**
 * Starts Redis (or Valkey) on loopback only, with every write on disk before it is answered. The same folder and port
 * may be used again after a stop or a kill: a half-written last command is dropped, as it was never answered.
 *
 * @throws {EmbeddedServerError} when there is no server to run, the port is taken, or the data does not load
 */
export async function startRedis(options: RedisOptions): Promise<EmbeddedServer> {
  const dir = resolve(options.dir);
  const program = await findRedis(options.cacheDir ?? defaultCacheDir(), options.onNotice ?? (() => {}));
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await endLeftover(join(dir, 'redis.pid'), dir);
  const port = options.port ?? (await pickLoopbackPort());
  if (!(await isPortFree(port))) throw new EmbeddedServerError(`Redis cannot start: port ${port} is in use.`);

  const server = spawnServer(program.command, serverArguments(dir, port), program.environment);
  await untilReady(server, dir, port);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: server.pid,
    exited: server.exited,
    stop: server.stop,
  };
}

function serverArguments(dir: string, port: number): string[] {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    'protected-mode': 'yes',
    dir,
    pidfile: join(dir, 'redis.pid'),
    daemonize: 'no',
    'set-proc-title': 'no',
    appendonly: 'yes',
    appendfsync: 'always',
    'aof-load-truncated': 'yes',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function untilReady(server: ServerProcess, dir: string, port: number): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  while (!(await pingRedis(port))) {
    if (!server.isRunning()) throw startFailure(dir, server.logTail());
    if (Date.now() > deadline) {
      await server.stop();
      throw startFailure(dir, server.logTail());
    }
    await Promise.race([server.nextOutput(), new Promise((retry) => setTimeout(retry, RETRY_PING_MS))]);
  }
}

function startFailure(dir: string, log: string): EmbeddedServerError {
  return new EmbeddedServerError(
    `Redis did not start on the data in ${dir}. Its last words:\n${log}\n` +
      'Nothing was changed. If it cannot read its append only file, restore a backup (npm run data -- restore <file>), ' +
      'or keep a copy of the folder and repair the file with redis-check-aof --fix.',
  );
}
