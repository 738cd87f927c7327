/**
 * `npm start`: the whole system in one terminal. Takes the data folder, starts the databases that are not configured, then the processes of the
 * system, keeps them all running, and stops them in order.
 */
import { InvalidEnvironmentError } from '../config/env.ts';
import { EmbeddedServerError } from '../embedded/embeddedServer.ts';
import { finishInterrupted } from './data/entries.ts';
import { CredentialsError } from './start/credentials.ts';
import { DataFolderError, DataFolderInUseError, dataFolder, lockDataFolder } from './start/dataFolder.ts';
import { loadDotEnv } from './start/dotEnv.ts';
import { openOutput } from './start/output.ts';
import { CannotListenError, PortInUseError } from './start/settings.ts';
import { stopOnSignals } from './start/stopOnSignals.ts';
import { type Processes, runSystem, WrongSettingsError } from './start/system.ts';

/** Their messages say what to do; anything else is a defect and keeps its stack. */
const EXPLAINED = [
  CannotListenError,
  CredentialsError,
  DataFolderError,
  DataFolderInUseError,
  EmbeddedServerError,
  InvalidEnvironmentError,
  PortInUseError,
  WrongSettingsError,
];

try {
  loadDotEnv();
  await main();
  process.exit(0);
} catch (error) {
  if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}

async function main(): Promise<void> {
  const folder = dataFolder();
  const lock = lockDataFolder(folder, 'npm start');
  await finishInterrupted(folder);
  const output = openOutput(process.env.LOG_FORMAT);
  const processes: Processes = { ingress: [], workers: [], databases: [] };
  const signal = stopOnSignals(() => {
    output.say('Killing everything.');
    for (const supervised of Object.values(processes).flat()) supervised.kill();
  });
  await runSystem({ folder, lock, output, signal, processes });
  lock.release();
}
