/** `npm run users -- add|list|disable|enable|import`: the users whose usage is counted. */
import { setTimeout as wait } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { ACTIVE_STATUS, DISABLED_STATUS, SELLER_ROLE } from '../src/domain/users/seller.ts';
import { readNewUser, readUserWithId } from '../src/domain/users/user.ts';
import { createUser, listUsers, NoUserIdLeftError, UserExistsError } from '../src/models/users.ts';
import { USER_CHANGE_DELAY_MILLISECONDS } from '../src/producers/usage/userDirectory.ts';
import { auditCommand } from './command/auditCommand.ts';
import { CommandFailure } from './command/failure.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { changeStatus } from './users/changeStatus.ts';
import { type ImportOptions, importFile } from './users/importFile.ts';
import { withUsers } from './users/openUsers.ts';
import { asJson, asTable } from './users/print.ts';

const LARGEST_PAGE = 1_000;

const program = new Command('npm run users --')
  .description('The users whose usage is counted.')
  .showHelpAfterError('(--help shows what there is)');

program
  .command('add')
  .description('add a user and print it as JSON')
  .requiredOption('--userName <name>', 'name that reports and questions use')
  .option('--roles <number>', '3 is a seller', String(SELLER_ROLE))
  .option('--status <number>', '1 is active', String(ACTIVE_STATUS))
  .option('--user_id <number>', 'id that the user brings along; without it the next free one is given')
  .action(add);

program
  .command('list')
  .description('list users by their ids')
  .option('--userName <part>', 'only those whose name holds this, ignoring case')
  .option('--limit <number>', 'most users to list', positiveNumber, 50)
  .option('--after <user_id>', 'list on behind this id', positiveNumber, 0)
  .option('--json', 'one JSON object a line')
  .action(list);

program
  .command('disable')
  .description('take no more reports of a user (status 0)')
  .requiredOption('--userName <name>', 'the exact name, or one that differs in case only')
  .action(({ userName }: { userName: string }) => setStatus(userName, DISABLED_STATUS));

program
  .command('enable')
  .description('take reports of a user again (status 1)')
  .requiredOption('--userName <name>', 'the exact name, or one that differs in case only')
  .action(({ userName }: { userName: string }) => setStatus(userName, ACTIVE_STATUS));

program
  .command('import')
  .description(
    'import users with their ids from a CSV file with the columns userName, user_id, roles, status',
  )
  .argument('<file.csv>')
  .option('--apply', 'change the data; without it only what would happen is shown', false)
  .option('--skip-bad', 'leave bad lines out instead of refusing the file', false)
  .action(importUsersFrom);

await runProgram(program, [NoUserIdLeftError, UserExistsError]);

interface AddOptions {
  readonly userName: string;
  readonly roles: string;
  readonly status: string;
  readonly user_id?: string;
}

async function add({ user_id, ...fields }: AddOptions): Promise<void> {
  const wanted = user_id === undefined ? readNewUser(fields) : readUserWithId({ ...fields, user_id });
  if ('refused' in wanted) throw new CommandFailure(wanted.refused);
  await withUsers(async (connection) => {
    const created = await createUser(connection, wanted);
    await auditCommand(connection, 'user.add', String(created.user_id));
    // Until now the name may have meant somebody who differs in case only.
    await wait(USER_CHANGE_DELAY_MILLISECONDS);
    printLine(asJson(created));
  });
}

interface ListOptions {
  readonly userName?: string;
  readonly limit: number;
  readonly after: number;
  readonly json?: boolean;
}

async function list({ userName, limit, after, json }: ListOptions): Promise<void> {
  await withUsers(async (connection) => {
    let afterId = after;
    for (let left = limit; left > 0; ) {
      const page = { namePart: userName, afterId, limit: Math.min(left, LARGEST_PAGE) };
      const users = await listUsers(connection, page);
      if (json) for (const user of users) printLine(asJson(user));
      else if (users.length > 0 || afterId === after) printLine(asTable(users));
      afterId = users.at(-1)?.user_id ?? afterId;
      left -= users.length;
      if (users.length < page.limit) return;
    }
    const more = await listUsers(connection, { namePart: userName, afterId, limit: 1 });
    if (more.length > 0) process.stderr.write(`There are more: add --after ${afterId}\n`);
  });
}

async function setStatus(userName: string, status: number): Promise<void> {
  await withUsers(async (connection) => {
    const changed = await changeStatus(connection, userName, status);
    await auditCommand(connection, 'user.status', `${changed.user_id} status ${status}`);
    await wait(USER_CHANGE_DELAY_MILLISECONDS);
    printLine(asJson(changed));
  });
}

async function importUsersFrom(file: string, options: ImportOptions): Promise<void> {
  await withUsers(async (connection) => {
    const end = await importFile(connection, file, options);
    if (end === 'refused') process.exitCode = 1;
    if (end === 'previewed') return;
    await wait(USER_CHANGE_DELAY_MILLISECONDS);
    if (end === 'applied') printLine('The import is in force.');
  });
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It has to be a whole number from 1 up.');
}
