/**
 * `npm run bench:ledger`: how fast credits are deducted, beside a bare update that keeps no ledger. The README says what is
 * measured and how to read it.
 */
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { measureDeductions } from './ledger/deductions.ts';
import { openLedgerStage } from './ledger/ledgerStage.ts';
import { describeMachine, machineText } from './report/machine.ts';
import { Report } from './report/report.ts';
import { setStage } from './stage/stage.ts';

interface Options {
  readonly quick?: true;
  readonly json?: string;
}

const options: Options = new Command('bench:ledger')
  .description('Measures how fast credits are deducted. See bench/README.md.')
  .option('--quick', 'shorter and once only: a first look, noisy')
  .option('--json <file>', 'write the figures to a file as well')
  .parse()
  .opts();

// All movements of a run stay, and the embedded MongoDB holds 512 MB.
const FULL_PACE = { rounds: 5, seconds: 1.5 };
const QUICK_PACE = { rounds: 1, seconds: 1 };

const print = (text: string) => process.stdout.write(`${text}\n`);

const stage = await setStage({ mongoUrl: process.env.MONGODB_URL || undefined, profileFolder: undefined });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stage.strike().finally(() => process.exit(1)));
}
try {
  const machine = await describeMachine(stage.redis, stage.mongoUrl, stage.mongoKind);
  print(machineText(machine));
  const report = new Report(print);
  const ledgerStage = await openLedgerStage(stage);
  try {
    await measureDeductions(ledgerStage, report, options.quick ? QUICK_PACE : FULL_PACE);
  } finally {
    await ledgerStage.close();
  }
  print(`\n${machineText(machine)}\n\n${report.text()}`);
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ machine, ...report.data() }, undefined, 2)}\n`);
  }
} finally {
  await stage.strike();
}
