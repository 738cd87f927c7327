/** `npm run usage -- verify|rebuild`: the stored sums of the usage reports. */
import { Command } from 'commander';
import { BusinessCalendar } from '../src/domain/time/businessCalendar.ts';
import { type Recount, rebuildUsage, recountUsage } from '../src/models/usageRecount.ts';
import { requireUsageTimeZone, UsageTimeZoneError } from '../src/models/usageTimeZone.ts';
import { usageQueue } from '../src/queues/usage.ts';
import { auditCommand } from './command/auditCommand.ts';
import { CommandFailure } from './command/failure.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { type OpenSystem, withSystem } from './command/withSystem.ts';
import { driftText } from './usage/driftText.ts';

const MOST_DRIFTS = 50;

const program = new Command('npm run usage --')
  .description(
    'The stored sums of the usage reports. While nothing runs on the data folder, its databases are started for it.',
  )
  .showHelpAfterError('(--help shows what there is)');

program
  .command('verify')
  .description('sum all reports anew and compare with the stored sums; exit code 1 when they differ')
  .action(() => withSystem('npm run usage -- verify', verify));

program
  .command('rebuild')
  .description(
    'make the stored sums anew, cut in BUSINESS_TIME_ZONE; workers and web processes have to be stopped',
  )
  .action(() => withSystem('npm run usage -- rebuild', rebuild));

await runProgram(program, [UsageTimeZoneError]);

async function verify({ environment, connection }: OpenSystem): Promise<void> {
  const timeZone = environment.BUSINESS_TIME_ZONE;
  await requireUsageTimeZone(connection, timeZone);
  report(await recountUsage(connection, new BusinessCalendar(timeZone), MOST_DRIFTS));
}

async function rebuild({ environment, connection, queues, running }: OpenSystem): Promise<void> {
  if (running) {
    throw new CommandFailure(
      `${running.activity} (pid ${running.pid}) runs on this data. Stop it first (Ctrl-C in its terminal), then run npm run usage -- rebuild again: it starts embedded databases by itself.`,
    );
  }
  const workers = await queues.of(usageQueue).getWorkersCount();
  if (workers > 0) {
    throw new CommandFailure(
      `${workers} worker process(es) store usage reports. Stop them and the web processes first; what is accepted meanwhile waits in Redis.`,
    );
  }
  const timeZone = environment.BUSINESS_TIME_ZONE;
  const { recount, released } = await rebuildUsage(connection, new BusinessCalendar(timeZone), MOST_DRIFTS);
  report(recount);
  if (released) {
    await auditCommand(connection, 'usage.rebuild', `${recount.rows} reports for ${timeZone}`);
    printLine(`Rebuilt for ${timeZone}.`);
  } else {
    process.exitCode = 1;
    printLine('Not released: something else changed the data. Stop every process and run it again.');
  }
}

function report(recount: Recount): void {
  const { rows, buckets, drifted, drifts, disturbed } = recount;
  if (drifted === 0) {
    printLine(`${rows} reports, ${buckets} sums: all exact.`);
    return;
  }
  process.exitCode = 1;
  for (const drift of drifts) printLine(driftText(drift));
  printLine(
    `${rows} reports, ${buckets} sums: ${drifted} differ${drifts.length === MOST_DRIFTS ? ' (the first ones are listed)' : ''}.`,
  );
  if (disturbed) {
    printLine(
      'Reports were stored meanwhile, which may be the difference. Stop the workers and run it again.',
    );
  } else {
    printLine('Stop all workers and web processes, run `npm run usage -- rebuild`, and start them again.');
  }
}
