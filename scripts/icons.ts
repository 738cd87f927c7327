/** `npm run icons -- calls|pause|resume`: paid calls of the image API whose outcome matters, and the queue of the images. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { CALL_OUTCOMES, type CallOutcome, type IconCall } from '../src/domain/icons/call.ts';
import { countCalls, listCalls } from '../src/models/iconCalls.ts';
import { grantTime } from '../src/models/iconSweeps.ts';
import { LaneRests } from '../src/platforms/images/laneRests.ts';
import { iconsQueue } from '../src/queues/icons.ts';
import { withRedis } from '../src/runtime/outage.ts';
import { auditCommand } from './command/auditCommand.ts';
import { printLine } from './command/printLine.ts';
import { runProgram } from './command/runProgram.ts';
import { type OpenSystem, withSystem } from './command/withSystem.ts';

const MOST_LISTED = 10_000;

interface CallsOptions {
  readonly outcome?: CallOutcome;
  readonly limit: number;
}

const program = new Command('npm run icons --')
  .description(
    'Icons: what was paid, and the queue. While nothing runs on the data folder, its databases are started for it.',
  )
  .showHelpAfterError('(--help shows what there is)');

program
  .command('calls')
  .description(
    'list the calls of the image API that ended like that, newest first, one JSON object a line; without an outcome count them. ' +
      '`unknown` ones were perhaps paid and brought no icon: compare them with the provider’s bill',
  )
  .addOption(new Option('--outcome <outcome>', 'how they ended').choices(CALL_OUTCOMES))
  .option('--limit <number>', 'list that many at most', readLimit, MOST_LISTED)
  .action((options: CallsOptions) =>
    withSystem('npm run icons -- calls', (system) => showCalls(system, options)),
  );

program
  .command('pause')
  .description('start no more images; calls that run end by themselves')
  .action(() => withSystem('npm run icons -- pause', pause));

program
  .command('resume')
  .description(
    'start images again, after a pause by an operator or because the quota was used up, or before the end of a rest that the image API asked for',
  )
  .action(() => withSystem('npm run icons -- resume', resume));

await runProgram(program, []);

async function showCalls({ connection }: OpenSystem, { outcome, limit }: CallsOptions): Promise<void> {
  if (outcome === undefined) {
    printLine(JSON.stringify(await countCalls(connection)));
    return;
  }
  for (const call of await listCalls(connection, outcome, limit)) printLine(asJson(call));
}

async function pause({ connection, queues }: OpenSystem): Promise<void> {
  const queue = queues.of(iconsQueue);
  await withRedis(() => queue.pause());
  await auditCommand(connection, 'icons.pause', queue.name);
  printLine('No more images are started. npm run icons -- resume goes on.');
}

async function resume({ environment, redis, connection, queues }: OpenSystem): Promise<void> {
  const queue = queues.of(iconsQueue);
  await grantTime(connection);
  await withRedis(() => queue.resume());
  const rests = await new LaneRests(redis, environment.REDIS_PREFIX).end();
  await auditCommand(connection, 'icons.resume', queue.name);
  printLine('Images are started again.');
  for (const [model, milliseconds] of rests) {
    const minutes = Math.ceil(milliseconds / 60_000);
    printLine(
      `The rest that the image API had asked for (${model}, another ${minutes} min) is over. If it asks for less again, a new one begins.`,
    );
  }
}

function asJson({ begun_at, ended_at, ...call }: IconCall): string {
  return JSON.stringify({
    ...call,
    begun_at: new Date(begun_at).toISOString(),
    ended_at: ended_at === null ? null : new Date(ended_at).toISOString(),
  });
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_LISTED) return limit;
  throw new InvalidArgumentError(`It is a number from 1 to ${MOST_LISTED}.`);
}
