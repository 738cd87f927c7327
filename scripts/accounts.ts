/** `npm run accounts -- create|list|disable|enable|set-password|reset-link`: who may log in. */
import { setTimeout as wait } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import {
  ACCOUNT_KINDS,
  type AccountDetails,
  type AccountKind,
  type AccountStatus,
  PERSON_ROLES,
  type PersonRole,
} from '../src/domain/accounts/account.ts';
import { accountProblems } from '../src/domain/accounts/accountRules.ts';
import { createPasswordLink } from '../src/models/accountPasswordLinks.ts';
import {
  AccountExistsError,
  changeAccount,
  changePassword,
  createAccount,
  listAccounts,
} from '../src/models/accounts.ts';
import { PasswordHasher } from '../src/runtime/passwordHasher.ts';
import { LOOKUP_DELAY_MILLISECONDS } from '../src/runtime/recentLookups.ts';
import { baseUrl } from './accounts/baseUrl.ts';
import { choosePassword, type PasswordOptions } from './accounts/choosePassword.ts';
import { requireAccount } from './accounts/findAccount.ts';
import { withAccounts } from './accounts/openAccounts.ts';
import { asJson, asTable } from './accounts/print.ts';
import { auditCommand } from './command/auditCommand.ts';
import { CommandFailure } from './command/failure.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';

const PAGE = 500;
const HOUR_MILLISECONDS = 3_600_000;
const DEFAULT_LINK_HOURS = 24;
const LONGEST_LINK_HOURS = 7 * 24;
const WHICH = 'its id, e-mail address or user name';

const program = new Command('npm run accounts --')
  .description('Who may log in: persons, client companies, edge stores and superadmins.')
  .showHelpAfterError('(--help shows what there is)');

withPassword(program.command('create'))
  .description('add an account and print it as JSON')
  .addOption(new Option('--kind <kind>').choices(ACCOUNT_KINDS).makeOptionMandatory())
  .option('--email <address>', 'persons and companies log in with it')
  .option('--username <name>', 'edges and superadmins log in with it')
  .option('--roles <list>', `of a person, separated by commas: ${PERSON_ROLES.join(', ')}`, rolesIn, [])
  .option('--first_name <name>')
  .option('--last_name <name>')
  .option('--company_name <name>')
  .option('--usage_user_id <number>', 'the user whose usage is counted', Number)
  .option('--credits_user_id <id>', 'the user whose credits are spent')
  .option('--store_id <id>', 'the store of an edge')
  .addOption(
    new Option('--without-password', 'nobody can log in before it is set, such as by reset-link').conflicts([
      'passwordStdin',
      'generatePassword',
    ]),
  )
  .action(create);

program
  .command('list')
  .description('list accounts, eldest first')
  .addOption(new Option('--kind <kind>', 'only these').choices(ACCOUNT_KINDS))
  .option('--json', 'one JSON object a line')
  .action(list);

program
  .command('disable')
  .description('let an account log in no more, and end its logins')
  .argument('<account>', WHICH)
  .action((account: string) => setStatus(account, 'disabled'));

program
  .command('enable')
  .description('let an account log in again')
  .argument('<account>', WHICH)
  .action((account: string) => setStatus(account, 'active'));

withPassword(program.command('set-password'))
  .description('set another password, and end the logins of the account')
  .argument('<account>', WHICH)
  .action(setPassword);

program
  .command('reset-link')
  .description('print a link that sets the password once')
  .argument('<account>', WHICH)
  .option('--hours <number>', 'how long it can be used', linkHours, DEFAULT_LINK_HOURS)
  .option('--base-url <url>', 'address of the API as its users see it; by default the one on this machine')
  .action(printResetLink);

await runProgram(program, [AccountExistsError]);

/** Never as an argument: every user of the machine can read those. */
function withPassword(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from the first line of standard input')
    .addOption(
      new Option('--generate-password', 'make a random one and print it once').conflicts('passwordStdin'),
    );
}

interface CreateOptions extends PasswordOptions {
  readonly kind: AccountKind;
  readonly roles: readonly PersonRole[];
  readonly withoutPassword?: boolean;
}

async function create(options: CreateOptions & AccountDetails): Promise<void> {
  const { withoutPassword, passwordStdin, generatePassword, ...details } = options;
  requireNoProblems(details);
  const password = withoutPassword
    ? undefined
    : await choosePassword({ passwordStdin, generatePassword }, details.kind);
  await withAccounts(async (connection) => {
    const passwordHash = password && (await new PasswordHasher().hash(password.text));
    const account = await createAccount(connection, details, passwordHash);
    await auditCommand(connection, 'account.create', account.account_id);
    printLine(asJson(account, password?.generated));
  });
}

async function list({ kind, json }: { readonly kind?: AccountKind; readonly json?: boolean }): Promise<void> {
  await withAccounts(async (connection) => {
    let after: { readonly at: Date; readonly id: string } | undefined;
    for (;;) {
      const accounts = await listAccounts(connection, { kind, after, limit: PAGE });
      if (json) for (const account of accounts) printLine(asJson(account));
      else if (accounts.length > 0 || after === undefined) printLine(asTable(accounts));
      const last = accounts.at(-1);
      if (!last || accounts.length < PAGE) return;
      after = { at: last.created_at, id: last.account_id };
    }
  });
}

async function setStatus(name: string, status: AccountStatus): Promise<void> {
  await withAccounts(async (connection) => {
    const account = await requireAccount(connection, name);
    const changed = await changeAccount(connection, account, { status });
    if (!changed) throw new CommandFailure('The account has been changed meanwhile; try again.');
    await auditCommand(
      connection,
      status === 'active' ? 'account.enable' : 'account.disable',
      account.account_id,
    );
    await untilNoticed();
    printLine(asJson(changed));
  });
}

async function setPassword(name: string, options: PasswordOptions): Promise<void> {
  await withAccounts(async (connection) => {
    const account = await requireAccount(connection, name);
    const password = await choosePassword(options, account.kind);
    const passwordHash = await new PasswordHasher().hash(password.text);
    const changed = await changePassword(connection, account.account_id, passwordHash);
    if (!changed) throw new CommandFailure('The account has just been removed.');
    await auditCommand(connection, 'account.password', account.account_id);
    await untilNoticed();
    printLine(asJson(changed, password.generated));
  });
}

async function printResetLink(
  name: string,
  options: { readonly hours: number; readonly baseUrl?: string },
): Promise<void> {
  await withAccounts(async (connection) => {
    const account = await requireAccount(connection, name);
    if (account.status !== 'active') throw new CommandFailure('The account is disabled; enable it first.');
    const expiresAt = new Date(Date.now() + options.hours * HOUR_MILLISECONDS);
    const token = await createPasswordLink(connection, account.account_id, expiresAt);
    await auditCommand(connection, 'account.reset-link', account.account_id);
    printLine(`${options.baseUrl?.replace(/\/+$/, '') ?? baseUrl()}/auth/reset?token=${token}`);
    process.stderr.write(`It sets the password once, until ${expiresAt.toISOString()}. Keep it private.\n`);
  });
}

/** The running processes remember for a moment what they knew of the account. */
function untilNoticed(): Promise<void> {
  return wait(LOOKUP_DELAY_MILLISECONDS);
}

function requireNoProblems(details: AccountDetails): void {
  const problems = accountProblems(details);
  if (problems.length === 0) return;
  throw new CommandFailure(problems.map(({ field, message }) => `--${field}: ${message}`).join('\n'));
}

function rolesIn(text: string): readonly PersonRole[] {
  const named = new Set(text.split(',').map((role) => role.trim()));
  const known = PERSON_ROLES.filter((role) => named.delete(role));
  if (named.size === 0 && known.length > 0) return known;
  throw new InvalidArgumentError(`There are these: ${PERSON_ROLES.join(', ')}.`);
}

function linkHours(text: string): number {
  const hours = Number(text);
  if (hours > 0 && hours <= LONGEST_LINK_HOURS) return hours;
  throw new InvalidArgumentError(`It has to be a number above 0, and ${LONGEST_LINK_HOURS} at most.`);
}
