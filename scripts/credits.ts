/** `npm run credits -- import|unknown|resolve`: users of an earlier system with what they have, and lost calls to a credits server. */
import { Command } from 'commander';
import { prepareCollections } from '../src/models/collections.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { withMongo } from './command/withMongo.ts';
import { type ImportOptions, importFile } from './credits/importFile.ts';
import { addRemoteCommands } from './credits/remote.ts';

const program = new Command('npm run credits --')
  .description('Credits: users who bring some along, and calls to another server that got no answer.')
  .showHelpAfterError('(--help shows what there is)');

program
  .command('import')
  .description(
    'import users with their credits from a CSV file with the columns user_id, username, email (may be empty), credits; who is there already stays as it is',
  )
  .argument('<file.csv>')
  .option('--apply', 'change the data; without it only what would happen is shown', false)
  .option('--skip-bad', 'leave bad lines out instead of refusing the file', false)
  .action(importUsersFrom);

addRemoteCommands(program);

await runProgram(program, []);

async function importUsersFrom(file: string, options: ImportOptions): Promise<void> {
  await withMongo(async (connection) => {
    await prepareCollections(connection);
    const end = await importFile(connection, file, options);
    if (end === 'refused') process.exitCode = 1;
    if (end === 'applied') printLine('The import is in force.');
  });
}
