import type { Command } from 'commander';
import type { Finding } from '../../src/domain/credits/remoteReservation.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import {
  findReservationsForOperator,
  giveUpLostCalls,
  type RemoteReservation,
  resolveRemoteReservation,
} from '../../src/models/remoteReservations.ts';
import { auditCommand } from '../command/auditCommand.ts';
import { CommandFailure } from '../command/failure.ts';
import { printLine } from '../command/printLine.ts';
import { withMongo } from '../command/withMongo.ts';

const PAGE = 500;

interface FindingOptions {
  readonly charged?: true;
  readonly notCharged?: true;
}

/** Adds the commands for calls to the credits server (CREDITS_PROVIDER=remote) of which nobody knows the outcome. */
export function addRemoteCommands(program: Command): void {
  program
    .command('unknown')
    .description('list the calls to the credits server that wait for an operator, one JSON object a line')
    .action(listUnknown);
  program
    .command('resolve <reservation_id>')
    .description(
      'say what became of such a call: look the user up on the credits server first. ' +
        'A deduction that was charged becomes a reservation, which comes back when it expires; ' +
        'a rest that is still charged is added back once more',
    )
    .option('--charged', 'the amount is off the user’s balance')
    .option('--not-charged', 'the amount is on the user’s balance')
    .action(resolve);
}

async function listUnknown(): Promise<void> {
  await withMongo(async (connection) => {
    await prepareCollections(connection);
    await giveUpLostCalls(connection, new Date());
    let after = '';
    for (;;) {
      const page = await findReservationsForOperator(connection, after, PAGE);
      for (const reservation of page) printLine(asJson(reservation));
      after = page.at(-1)?._id ?? after;
      if (page.length < PAGE) return;
    }
  });
}

async function resolve(reservationId: string, options: FindingOptions): Promise<void> {
  const finding = readFinding(options);
  await withMongo(async (connection) => {
    await prepareCollections(connection);
    const resolved = await resolveRemoteReservation(connection, reservationId, finding);
    if (!resolved) throw new CommandFailure(`No call of ${reservationId} waits for an operator.`);
    await auditCommand(connection, 'credits.resolve', reservationId);
    printLine(asJson(resolved));
  });
}

function readFinding({ charged, notCharged }: FindingOptions): Finding {
  if (charged === notCharged) throw new CommandFailure('Say either --charged or --not-charged.');
  return charged ? 'charged' : 'not-charged';
}

function asJson(reservation: RemoteReservation): string {
  const { _id, state, user_id, amount, remaining, app_name, description, reference, created_at, problem } =
    reservation;
  const inQuestion = state === 'return-unknown' || state === 'return-refused' ? remaining : amount;
  return JSON.stringify({
    reservation_id: _id,
    state,
    user_id,
    amount: inQuestion,
    app_name,
    description,
    reference,
    created_at,
    problem,
  });
}
