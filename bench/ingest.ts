/**
 * `npm run bench:ingest`: how fast usage reports come in and are stored, beside what else one could do. The README says what
 * is measured and how to read it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { measureAcceptance } from './ingest/acceptance.ts';
import { measureBacklog } from './ingest/backlog.ts';
import { measureBatches } from './ingest/batches.ts';
import { measureDrain } from './ingest/drain.ts';
import { measureEcho } from './ingest/echo.ts';
import { measureLatency } from './ingest/latency.ts';
import { FULL_PACE, QUICK_PACE, type Section } from './ingest/section.ts';
import { describeMachine, machineText } from './report/machine.ts';
import { Report } from './report/report.ts';
import { median } from './report/statistics.ts';
import { setStage } from './stage/stage.ts';

const PARTS = ['echo', 'acceptance', 'batches', 'drain', 'backlog', 'latency'] as const;
type Part = (typeof PARTS)[number];

interface Options {
  readonly quick?: true;
  readonly only?: Part[];
  readonly json?: string;
  readonly profile?: string;
}

const options: Options = new Command('bench:ingest')
  .description('Measures how fast usage reports come in and are stored. See bench/README.md.')
  .option('--quick', 'shorter and once only: a first look, noisy')
  .addOption(new Option('--only <part...>', 'measure these parts only').choices(PARTS))
  .option('--json <file>', 'write the figures to a file as well')
  .option('--profile <folder>', "write CPU profiles of the product's processes there; slows them down")
  .parse()
  .opts();

const print = (text: string) => process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const startedAt = performance.now();
  const profileFolder = options.profile === undefined ? undefined : resolve(options.profile);
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  const stage = await setStage({ mongoUrl: process.env.MONGODB_URL || undefined, profileFolder });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stage.strike().finally(() => process.exit(1)));
  }
  const report = new Report(print);
  try {
    const machine = await describeMachine(stage.redis, stage.mongoUrl, stage.mongoKind);
    print(machineText(machine));
    await measure({ stage, report, pace: options.quick ? QUICK_PACE : FULL_PACE });
    print(`\n${machineText(machine)}\n\n${report.text()}`);
    print(`\nTook ${Math.round((performance.now() - startedAt) / 1_000)} s.`);
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify({ machine, ...report.data() }, undefined, 2)}\n`);
    }
  } finally {
    await stage.strike();
  }
}

async function measure(section: Section): Promise<void> {
  const wanted = new Set<Part>(options.only ?? PARTS);
  if (wanted.has('echo')) await measureEcho(section);
  if (wanted.has('acceptance')) await measureAcceptance(section);
  if (wanted.has('batches')) await measureBatches(section);
  if (wanted.has('drain') || wanted.has('backlog')) {
    const drain = await measureDrain(section);
    if (wanted.has('backlog')) await measureBacklog(section, median(drain.values));
  }
  if (wanted.has('latency')) await measureLatency(section);
}

await main();
