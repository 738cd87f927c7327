/** `npm run data -- backup|restore|reset`: the data folder of the embedded databases as a whole. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { EmbeddedServerError } from '../embedded/embeddedServer.ts';
import { ArchiveError } from './data/archive.ts';
import { backUp } from './data/backUp.ts';
import { DataCommandError } from './data/errors.ts';
import { FreezeError } from './data/freeze.ts';
import { findOutsideBackup } from './data/outsideBackup.ts';
import { reset } from './data/reset.ts';
import { restore } from './data/restore.ts';
import { CredentialsError } from './start/credentials.ts';
import { DataFolderError, DataFolderInUseError, dataFolder, displayName } from './start/dataFolder.ts';
import { loadDotEnv } from './start/dotEnv.ts';

/** Their messages say what to do; anything else is a defect and keeps its stack. */
const EXPLAINED = [
  ArchiveError,
  CredentialsError,
  DataCommandError,
  DataFolderError,
  DataFolderInUseError,
  EmbeddedServerError,
  FreezeError,
];

const program = new Command('npm run data --').description(
  'Back up, restore or remove the data folder (DATA_DIR, by default .data).',
);

program
  .command('backup <file.tar.gz>')
  .description(
    'copy everything into one archive, also while the system runs; it holds the credentials, keep it private',
  )
  .action(async (file: string) => {
    const target = resolve(file);
    const { files, bytes, pausedMs } = await backUp(dataFolder(), target);
    const how = pausedMs === undefined ? 'the system is stopped' : `the databases paused for ${pausedMs} ms`;
    say(
      `Backed up ${displayName(dataFolder())} to ${displayName(target)}: ${files} files, ${bytes} bytes; ${how}.`,
    );
    const { files: elsewhere, keys } = findOutsideBackup(dataFolder(), process.env);
    if (elsewhere) say(`The files in ${elsewhere} are not in this backup: copy them too.`);
    if (keys.length > 0)
      say(`Keys set in the environment are not in this backup: ${keys.join(', ')}. Keep them too.`);
  });

program
  .command('restore <file.tar.gz>')
  .description('replace the data by that of an archive; the system must be stopped')
  .option('--yes', 'replace data that is there')
  .action(async (file: string, options: { yes?: boolean }) => {
    await restore(dataFolder(), resolve(file), options.yes === true);
    say(`Restored ${displayName(dataFolder())} from ${file}. Start the system with npm start.`);
    const { files: elsewhere, keys } = findOutsideBackup(dataFolder(), process.env);
    if (elsewhere)
      say(`The files in ${elsewhere} were not restored: bring back those that belong to this backup.`);
    if (keys.length > 0)
      say(`Keys set in the environment are used, whatever the backup holds: ${keys.join(', ')}.`);
  });

program
  .command('reset')
  .description('remove all data and credentials; the system must be stopped')
  .option('--yes', 'really remove them')
  .action(async (options: { yes?: boolean }) => {
    await reset(dataFolder(), options.yes === true);
    say(
      `Removed the data in ${displayName(dataFolder())}. The next npm start makes new data and credentials.`,
    );
  });

try {
  loadDotEnv();
  refuseConfiguredDatabases();
  await program.parseAsync();
} catch (error) {
  if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

function refuseConfiguredDatabases(): void {
  const configured = ['REDIS_URL', 'MONGODB_URL'].filter((name) => process.env[name]);
  if (configured.length === 0) return;
  throw new DataCommandError(
    `${configured.join(' and ')} is set: these commands handle the embedded databases only. ` +
      'Back up servers of your own with their own tools (redis-cli --rdb, mongodump).',
  );
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
