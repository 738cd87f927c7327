import type { Connection } from 'mongoose';
import {
  type ImportedUser,
  type ImportedUserOutcome,
  importUsers,
  previewUserImport,
} from '../../src/models/ledgerImport.ts';
import { auditCommand } from '../command/auditCommand.ts';
import { printLine } from '../command/printLine.ts';
import { throughOutages } from '../command/throughOutages.ts';
import { ImportReport } from './importReport.ts';
import { readCreditsFile } from './readCreditsFile.ts';

const PAGE = 500;

export interface ImportOptions {
  /** Without it nothing is changed. */
  readonly apply: boolean;
  /** Leave bad lines out instead of refusing the file. */
  readonly skipBad: boolean;
}

export type ImportEnd = 'previewed' | 'applied' | 'refused';

type Step = (connection: Connection, users: readonly ImportedUser[]) => Promise<ImportedUserOutcome[]>;

/**
 * Imports a file of users. The whole file is checked first, line by line; only then is anything changed. Repeated after a
 * break it goes on where it was: whoever is there already stays as it is.
 *
 * @throws {CommandFailure} when the file cannot be read
 */
export async function importFile(
  connection: Connection,
  file: string,
  options: ImportOptions,
): Promise<ImportEnd> {
  const preview = new ImportReport(printLine);
  await eachPage(connection, file, preview, previewUserImport);
  preview.end('to import');
  if (preview.badLines > 0 && !options.skipBad) {
    printLine('Nothing was changed. Mend the bad lines, or leave them out with --skip-bad.');
    return 'refused';
  }
  if (!options.apply) {
    printLine('Dry run: nothing was changed. Import with --apply.');
    return 'previewed';
  }
  // The lines were shown above; what matters now is what has become of them.
  const applied = new ImportReport(() => undefined);
  await eachPage(connection, file, applied, importUsers);
  printLine(applied.summary('imported'));
  await auditCommand(connection, 'credits.import', applied.summary('imported'));
  return applied.badLines > preview.badLines ? 'refused' : 'applied';
}

async function eachPage(
  connection: Connection,
  file: string,
  report: ImportReport,
  step: Step,
): Promise<void> {
  let page: { line: number; user: ImportedUser }[] = [];
  const flush = async () => {
    const users = page.map(({ user }) => user);
    const outcomes = await throughOutages(connection, () => step(connection, users));
    for (const [index, { line, user }] of page.entries()) {
      const outcome = outcomes[index];
      if (outcome) report.user(line, user, outcome);
    }
    page = [];
  };
  for await (const entry of readCreditsFile(file)) {
    if ('bad' in entry) {
      report.bad(entry.line, entry.bad);
      continue;
    }
    page.push(entry);
    if (page.length === PAGE) await flush();
  }
  if (page.length > 0) await flush();
}
