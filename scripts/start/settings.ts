import { join } from 'node:path';
import { type Environment, readEnvironment } from '../../config/env.ts';
import { isPortFree, pickLoopbackPort } from '../../embedded/loopbackPort.ts';
import type { Credentials } from './credentials.ts';

/** Stands in for the address of a database that is still to be started, while the rest of the environment is checked. */
const TO_BE_STARTED = { REDIS_URL: 'redis://127.0.0.1:1', MONGODB_URL: 'mongodb://127.0.0.1:1' };

/** The port of the API is taken. */
export class PortInUseError extends Error {
  override name = 'PortInUseError';

  constructor(port: number) {
    super(`Port ${port} is in use by another process. Choose another one: PORT=${port + 1} npm start`);
  }
}

/** The operating system does not let the API listen on HOST and PORT. */
export class CannotListenError extends Error {
  override name = 'CannotListenError';

  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`The API cannot listen there (${reason}). Check HOST and PORT.`, { cause });
  }
}

/** What is known before anything is started. */
export interface Settings {
  environment: Environment;
  /** The variables for the processes of the system; the addresses of embedded databases are added later. */
  variables: NodeJS.ProcessEnv;
  baseUrl: string;
  /** Which databases have to be started, because no address is configured. */
  embedRedis: boolean;
  embedMongo: boolean;
}

/**
 * Checks the environment and the port.
 *
 * @param folder - the data folder, where files are kept unless the environment says otherwise
 * @throws {InvalidEnvironmentError} with every bad variable
 * @throws {PortInUseError | CannotListenError}
 */
export async function readSettings(folder: string, credentials: Credentials): Promise<Settings> {
  const given = process.env;
  const embedMongo = !given.MONGODB_URL;
  const variables: NodeJS.ProcessEnv = {
    NODE_ENV: 'production',
    ...keysOf(credentials),
    ...(embedMongo ? firstSuperadmin(credentials) : {}),
    STORAGE_PATH: join(folder, 'files'),
    ...withoutEmpty(given),
  };
  const environment = readEnvironment({ ...TO_BE_STARTED, ...variables });
  const port = environment.PORT === 0 ? await pickLoopbackPort() : environment.PORT;
  await requireFreePort(port, environment.HOST);
  return {
    environment,
    variables: { ...variables, PORT: String(port) },
    baseUrl: `http://${reachableHost(environment.HOST)}:${port}`,
    embedRedis: !given.REDIS_URL,
    embedMongo,
  };
}

async function requireFreePort(port: number, host: string): Promise<void> {
  const free = await isPortFree(port, host).catch((error: unknown) => {
    throw new CannotListenError(error);
  });
  if (!free) throw new PortInUseError(port);
}

function keysOf({ admin, board, credits, secrets }: Credentials): NodeJS.ProcessEnv {
  return {
    ADMIN_API_KEY: admin.api_key,
    BOARD_USERNAME: board.username,
    BOARD_PASSWORD: board.password,
    JWT_SECRET: secrets.jwt,
    ENCRYPTION_KEY: secrets.encryption_key,
    PENORA_API_KEY: credits.api_key,
    CREDITS_BONUS_KEY: credits.bonus_key,
  };
}

/** Not for a database of somebody's own: there it is the environment that has to say so. */
function firstSuperadmin({ superadmin }: Credentials): NodeJS.ProcessEnv {
  return { SUPERADMIN_USERNAME: superadmin.username, SUPERADMIN_PASSWORD: superadmin.password };
}

function withoutEmpty(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
}

/** An address that listens on every interface is reached by loopback. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
