import type { Command } from 'commander';
import { InvalidEnvironmentError } from '../../config/env.ts';
import { EmbeddedServerError } from '../../embedded/embeddedServer.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { DataFolderError, DataFolderInUseError } from '../start/dataFolder.ts';
import { CommandFailure } from './failure.ts';

type ErrorClass = new (...parameters: never[]) => Error;

/** Their messages say what to do; anything else is a defect and keeps its stack. */
const EXPLAINED: readonly ErrorClass[] = [
  CommandFailure,
  DataFolderError,
  DataFolderInUseError,
  EmbeddedServerError,
  InvalidEnvironmentError,
  ServiceUnavailableError,
];

/**
 * Runs the command that the arguments name. A failure that explains itself is printed without a stack, and the exit code
 * is 1; a command that has done its work may set `process.exitCode` itself.
 *
 * @param explained - further errors, of the program's own domain, that explain themselves
 */
export async function runProgram(program: Command, explained: readonly ErrorClass[]): Promise<void> {
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on('error', () => process.exit(0));
  try {
    await program.parseAsync();
  } catch (error) {
    const isExplained = [...EXPLAINED, ...explained].some((kind) => error instanceof kind);
    if (!(error instanceof Error && isExplained)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
