/** `npm run keys -- create|list|revoke|rotate`: API keys. */
import { setTimeout as wait } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Connection } from 'mongoose';
import {
  HIGHEST_RATE_LIMIT,
  LONGEST_API_KEY_NAME,
  LONGEST_ROTATION_GRACE_SECONDS,
  ROTATION_GRACE_SECONDS,
} from '../src/domain/accounts/apiKey.ts';
import { SCOPES, type Scope } from '../src/domain/accounts/scopes.ts';
import {
  createApiKey,
  findApiKey,
  type IssuedApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  TooManyPreviousKeysError,
} from '../src/models/apiKeys.ts';
import { LOOKUP_DELAY_MILLISECONDS } from '../src/runtime/recentLookups.ts';
import { auditCommand, BY_COMMAND } from './command/auditCommand.ts';
import { CommandFailure } from './command/failure.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { withApiKeys } from './keys/openApiKeys.ts';
import { asJson, asTable } from './keys/print.ts';

const PAGE = 500;
const SECONDS_OF_HOUR = 3_600;
const MILLISECONDS_OF_DAY = 86_400_000;
const MOST_DAYS = 36_500;

const program = new Command('npm run keys --')
  .description('API keys. A key is shown once, when it is made or rotated; only its hash is kept.')
  .showHelpAfterError('(--help shows what there is)');

program
  .command('create')
  .description('make a key and print it as JSON')
  .requiredOption('--name <name>', 'what it is for', nameOfKey)
  .requiredOption('--scopes <list>', `what it may do, separated by commas: ${SCOPES.join(', ')}`, scopesIn)
  .option('--expires-in-days <number>', 'by default it does not expire', numberUpTo(MOST_DAYS))
  .option(
    '--rate-limit <number>',
    'requests a minute, in place of the configured limits',
    numberUpTo(HIGHEST_RATE_LIMIT),
  )
  .action(create);

program
  .command('list')
  .description('list keys, newest first, without their secrets')
  .option('--json', 'one JSON object a line')
  .action(list);

program
  .command('revoke')
  .description('end a key for ever')
  .argument('<key_id>', 'the part of the key between mrk_ and the next _')
  .action(revoke);

program
  .command('rotate')
  .description('give a key another secret and print it as JSON')
  .argument('<key_id>', 'the part of the key between mrk_ and the next _')
  .option(
    '--grace-hours <number>',
    'how long the secret until now goes on working; 0 ends it and those from rotations before now',
    numberFromZeroTo(LONGEST_ROTATION_GRACE_SECONDS / SECONDS_OF_HOUR),
    ROTATION_GRACE_SECONDS / SECONDS_OF_HOUR,
  )
  .action(rotate);

await runProgram(program, []);

interface CreateOptions {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresInDays?: number;
  readonly rateLimit?: number;
}

async function create({ name, scopes, expiresInDays, rateLimit }: CreateOptions): Promise<void> {
  await withApiKeys(async (connection) => {
    const issued = await createApiKey(connection, {
      name,
      scopes,
      expires_at:
        expiresInDays === undefined ? null : new Date(Date.now() + expiresInDays * MILLISECONDS_OF_DAY),
      rate_limit_per_minute: rateLimit ?? null,
      created_by: BY_COMMAND,
    });
    await auditCommand(connection, 'api-key.create', issued.apiKey.key_id);
    printIssued(issued);
  });
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  await withApiKeys(async (connection) => {
    let last: { readonly at: Date; readonly id: string } | undefined;
    for (;;) {
      const keys = await listApiKeys(connection, { before: last, limit: PAGE });
      if (json) for (const key of keys) printLine(asJson(key));
      else if (keys.length > 0 || last === undefined) printLine(asTable(keys));
      const end = keys.at(-1);
      if (!end || keys.length < PAGE) return;
      last = { at: end.created_at, id: end.key_id };
    }
  });
}

async function revoke(keyId: string): Promise<void> {
  await withApiKeys(async (connection) => {
    const key = await revokeApiKey(connection, keyId);
    if (!key) throw unknownKey(keyId);
    await auditCommand(connection, 'api-key.revoke', keyId);
    await untilNoticed();
    printLine(asJson(key));
  });
}

async function rotate(keyId: string, { graceHours }: { readonly graceHours: number }): Promise<void> {
  await withApiKeys(async (connection) => {
    const graceSeconds = graceHours * SECONDS_OF_HOUR;
    const issued = await rotateApiKey(connection, keyId, graceSeconds).catch((error: unknown) => {
      if (!(error instanceof TooManyPreviousKeysError)) throw error;
      throw new CommandFailure(`${error.message}; --grace-hours 0 ends them all.`);
    });
    if (!issued) throw await notRotated(connection, keyId);
    await auditCommand(connection, 'api-key.rotate', keyId);
    await untilNoticed();
    printIssued(issued);
  });
}

/** The running processes remember for a moment what they knew of the key. */
function untilNoticed(): Promise<void> {
  return wait(LOOKUP_DELAY_MILLISECONDS);
}

function printIssued({ apiKey, text }: IssuedApiKey): void {
  printLine(asJson(apiKey, text));
  process.stderr.write('The key is shown this once: keep it.\n');
}

async function notRotated(connection: Connection, keyId: string): Promise<CommandFailure> {
  return (await findApiKey(connection, keyId))
    ? new CommandFailure(`The key ${JSON.stringify(keyId)} is revoked; make a new one.`)
    : unknownKey(keyId);
}

function unknownKey(keyId: string): CommandFailure {
  return new CommandFailure(
    `There is no key with the id ${JSON.stringify(keyId)}; npm run keys -- list shows them.`,
  );
}

function nameOfKey(text: string): string {
  const name = text.trim();
  if (name !== '' && name.length <= LONGEST_API_KEY_NAME) return name;
  throw new InvalidArgumentError(`It has to be 1 to ${LONGEST_API_KEY_NAME} characters.`);
}

function scopesIn(text: string): readonly Scope[] {
  const named = new Set(text.split(',').map((scope) => scope.trim()));
  const known = SCOPES.filter((scope) => named.delete(scope));
  if (named.size === 0 && known.length > 0) return known;
  throw new InvalidArgumentError(`There are these: ${SCOPES.join(', ')}.`);
}

function numberUpTo(most: number): (text: string) => number {
  return (text) => wholeNumber(text, 1, most);
}

function numberFromZeroTo(most: number): (text: string) => number {
  return (text) => wholeNumber(text, 0, most);
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It has to be a whole number from ${least} to ${most}.`);
}
