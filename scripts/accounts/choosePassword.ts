import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import type { AccountKind } from '../../src/domain/accounts/account.ts';
import { passwordProblem } from '../../src/domain/accounts/password.ts';
import { CommandFailure } from '../command/failure.ts';
import { promptPassword } from './promptPassword.ts';

/** Where a password comes from; by default somebody types it twice. */
export interface PasswordOptions {
  readonly passwordStdin?: boolean | undefined;
  readonly generatePassword?: boolean | undefined;
}

export interface ChosenPassword {
  readonly text: string;
  /** The same when it was generated: then it has to be shown. */
  readonly generated: string | undefined;
}

/** @throws {CommandFailure} when there is nobody to ask, or the text cannot be a password */
export async function choosePassword(options: PasswordOptions, kind: AccountKind): Promise<ChosenPassword> {
  if (options.generatePassword) {
    const text = randomBytes(18).toString('base64url');
    return { text, generated: text };
  }
  const text = options.passwordStdin ? await readFirstLine() : await askTwice();
  const problem = passwordProblem(text, kind);
  if (problem !== undefined) throw new CommandFailure(`${problem}.`);
  return { text, generated: undefined };
}

async function readFirstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  throw new CommandFailure('Standard input holds no password.');
}

async function askTwice(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CommandFailure(
      'There is nobody to ask for a password: use --password-stdin or --generate-password.',
    );
  }
  const text = await promptPassword('Password: ');
  if ((await promptPassword('Once more: ')) !== text) throw new CommandFailure('The two passwords differ.');
  return text;
}
