import { once } from 'node:events';
import { stopTimes } from '../../config/stopTimes.ts';
import { announceWhenReady } from './announce.ts';
import { openCredentials } from './credentials.ts';
import { startDatabases } from './databases.ts';
import { type DataFolderLock, displayName, type Holder } from './dataFolder.ts';
import { demoOf } from './demo.ts';
import { startNodeProcess } from './nodeProcess.ts';
import type { Output } from './output.ts';
import { readSettings, type Settings } from './settings.ts';
import { type Running, SUCCESS, type Supervised, supervise } from './supervise.ts';

/** A process ends itself when its drain takes too long; only one that cannot is killed, this much later. */
const KILL_AFTER_DRAIN_MS = 3_000;

/** Works on all queues, those of the icons too. */
const WORKER = 'worker';

/** A process of the system refuses its settings, and has said why. */
export class WrongSettingsError extends Error {
  override name = 'WrongSettingsError';

  constructor(name: string) {
    super(
      `${name} cannot work with these settings; its lines above say what to change. Everything was stopped.`,
    );
  }
}

/** What runs, in the order in which it is stopped: what takes in work, what does it, what keeps it. */
export interface Processes {
  ingress: Supervised[];
  workers: Supervised[];
  databases: Supervised[];
}

export interface SystemOptions {
  folder: string;
  lock: DataFolderLock;
  output: Output;
  /** Its abort stops the system in order. */
  signal: AbortSignal;
  /** Empty at first; filled as the processes start. */
  processes: Processes;
}

/**
 * Runs the whole system until the signal: databases, demo accounts, then web, workers and scheduler. Returns when everything has been stopped.
 *
 * @throws {CredentialsError | InvalidEnvironmentError | PortInUseError | CannotListenError | EmbeddedServerError | WrongSettingsError} when it cannot be started
 */
export async function runSystem(options: SystemOptions): Promise<void> {
  const { folder, output, signal, processes } = options;
  const startedAt = performance.now();
  const credentials = openCredentials(folder);
  const settings = await readSettings(folder, credentials);
  const refusal = new AbortController();
  const ending = AbortSignal.any([signal, refusal.signal]);
  const ended = once(ending, 'abort');
  try {
    const refuse = (name: string) => refusal.abort(new WrongSettingsError(name));
    const holder = await startProcesses(options, settings, refuse);
    const demo = demoOf(credentials, settings);
    const announcement = announceWhenReady({
      demo,
      folderName: displayName(folder),
      startedAt,
      output,
      signal: ending,
    });
    void announcement.then((ready) => {
      if (ready) options.lock.describe(Object.assign(holder, { demo }));
    });
    if (!ending.aborted) await ended;
  } finally {
    if (signal.aborted) output.say('Stopping: running requests and jobs are finished first …');
    for (const group of [processes.ingress, processes.workers, processes.databases]) {
      await Promise.all(group.map((supervised) => supervised.stop()));
    }
    if (signal.aborted) output.say('Stopped.');
  }
  refusal.signal.throwIfAborted();
}

async function startProcesses(
  options: SystemOptions,
  settings: Settings,
  refuse: (name: string) => void,
): Promise<Holder> {
  const { folder, lock, output, signal, processes } = options;
  const holder: Holder = { pid: process.pid, activity: 'npm start', base_url: settings.baseUrl };
  const urls = await startDatabases({
    folder,
    embedRedis: settings.embedRedis,
    embedMongo: settings.embedMongo,
    say: output.say,
    onStart: (name, pid) => {
      holder.embedded = { ...holder.embedded, [name]: pid };
      lock.describe(holder);
    },
    started: processes.databases,
  });
  const environment = { ...settings.variables, ...urls };
  holder.redis_url = environment.REDIS_URL;
  holder.mongodb_url = environment.MONGODB_URL;
  lock.describe(holder);

  const start = (name: string, ...command: string[]): Promise<Running> => {
    const { limit } = stopTimes(settings.environment, name === WORKER);
    const stopLimitMs = limit * 1000 + KILL_AFTER_DRAIN_MS;
    return startNodeProcess({ name, command, environment, output, stopLimitMs });
  };
  const keep = (name: string, ...command: string[]) =>
    supervise({
      name,
      start: () => start(name, ...command),
      say: output.say,
      onWrongSettings: () => refuse(name),
    });

  if (settings.embedMongo && !signal.aborted) {
    const setup = await start('setup', 'scripts/start/addDemoAccounts.ts', folder);
    const end = await setup.exited;
    if (end !== SUCCESS)
      output.say(`The demo accounts could not be added (${end}); its lines above say why.`);
  }
  if (!signal.aborted) {
    processes.workers.push(keep(WORKER, 'src/workers/main.ts'));
    processes.ingress.push(
      keep('web', '--no-allocation-site-pretenuring', 'src/api/main.ts'),
      keep('scheduler', 'src/schedules/main.ts'),
    );
  }
  return holder;
}
