/** `npm run ledger -- verify`: the credits ledger, counted anew. */
import { Command } from 'commander';
import { countNumber } from '../src/domain/money/jsonNumber.ts';
import { type LedgerVerification, verifyLedger } from '../src/models/ledgerVerify.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { withSystem } from './command/withSystem.ts';
import { driftText } from './ledger/driftText.ts';

const MOST_DRIFTS = 50;

const program = new Command('npm run ledger --')
  .description('The credits ledger. While nothing runs on the data folder, its databases are started for it.')
  .showHelpAfterError('(--help shows what there is)');

program
  .command('verify')
  .description(
    'count all movements anew and compare with every balance and hold; exit code 1 when they differ. It may run beside the system',
  )
  .option('--json', 'the result as one JSON object', false)
  .action((options: { json: boolean }) =>
    withSystem('npm run ledger -- verify', async ({ connection }) => {
      const verification = await verifyLedger(connection, MOST_DRIFTS);
      if (options.json) printLine(asJson(verification));
      else report(verification);
      if (verification.drifted > 0) process.exitCode = 1;
    }),
  );

await runProgram(program, []);

function report({ users, movements, holds, totals, drifted, drifts }: LedgerVerification): void {
  for (const drift of drifts) printLine(driftText(drift));
  for (const [account, credits] of sorted(totals)) printLine(`${account}: ${credits}`);
  const counted = `${users} users, ${movements} movements, ${holds} holds`;
  if (drifted === 0) printLine(`${counted}: everything adds up.`);
  else {
    const listed = drifts.length < drifted ? ` (the first ${drifts.length} are listed)` : '';
    printLine(`${counted}: ${drifted} differences${listed}.`);
  }
}

function asJson({ totals, ...verification }: LedgerVerification): string {
  return JSON.stringify({
    ...verification,
    totals: Object.fromEntries(sorted(totals).map(([account, total]) => [account, countNumber(total)])),
  });
}

function sorted(totals: ReadonlyMap<string, bigint>): [string, bigint][] {
  return [...totals].sort(([one], [other]) => (one < other ? -1 : 1));
}
