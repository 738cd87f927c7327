import type { Connection } from 'mongoose';
import type { ImportStep } from '../../src/domain/users/importStep.ts';
import type { User } from '../../src/domain/users/user.ts';
import { importUsers, previewImport } from '../../src/models/userImport.ts';
import { auditCommand } from '../command/auditCommand.ts';
import { printLine } from '../command/printLine.ts';
import { throughOutages } from '../command/throughOutages.ts';
import { ImportReport } from './importReport.ts';
import { readUserFile } from './readUserFile.ts';

const BATCH = 1_000;

export interface ImportOptions {
  /** Without it nothing is changed. */
  readonly apply: boolean;
  /** Leave bad lines out instead of refusing the file. */
  readonly skipBad: boolean;
}

export type ImportEnd = 'previewed' | 'applied' | 'refused';

type Step = (connection: Connection, users: readonly User[]) => Promise<ImportStep[]>;

/**
 * Imports a file of users. The whole file is checked first, line by line; only then is anything changed.
 *
 * @throws {CommandFailure} when the file cannot be read
 */
export async function importFile(
  connection: Connection,
  file: string,
  options: ImportOptions,
): Promise<ImportEnd> {
  const preview = new ImportReport('would', printLine);
  await eachBatch(connection, file, preview, previewImport);
  preview.end();
  if (preview.badLines > 0 && !options.skipBad) {
    printLine('Nothing was changed. Mend the bad lines, or leave them out with --skip-bad.');
    return 'refused';
  }
  if (!options.apply) {
    printLine('Dry run: nothing was changed. Import with --apply.');
    return 'previewed';
  }
  // The lines were shown above; what matters now is what has become of them.
  const applied = new ImportReport('did', () => undefined);
  await eachBatch(connection, file, applied, importUsers);
  printLine(applied.summary());
  await auditCommand(connection, 'user.import', applied.summary());
  return applied.badLines > preview.badLines ? 'refused' : 'applied';
}

async function eachBatch(
  connection: Connection,
  file: string,
  report: ImportReport,
  step: Step,
): Promise<void> {
  let batch: { line: number; user: User }[] = [];
  const flush = async () => {
    const users = batch.map(({ user }) => user);
    const steps = await throughOutages(connection, () => step(connection, users));
    for (const [index, { line }] of batch.entries()) {
      const done = steps[index];
      if (done) report.step(line, done);
    }
    batch = [];
  };
  for await (const entry of readUserFile(file)) {
    if ('bad' in entry) {
      report.bad(entry.line, entry.bad);
      continue;
    }
    batch.push(entry);
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
}
