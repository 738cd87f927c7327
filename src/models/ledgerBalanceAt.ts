import type { ClientSession, Connection } from 'mongoose';
import { currentBalance } from '../domain/credits/account.ts';
import { firstMovementIdAt } from '../domain/credits/clock.ts';
import { leftOf } from '../domain/credits/holds.ts';
import type { GrantPart, Movement } from '../domain/credits/ledger.ts';
import { accounts, holds, toAccount } from './ledgerDocuments.ts';
import { pageOfUser, readOverdueHolds } from './ledgerReads.ts';
import { inTransaction } from './transaction.ts';

const MOVEMENTS_AT_A_TIME = 100;

/**
 * What the user could spend at that time (milliseconds), everything of that millisecond included; 0 before the user was
 * there. What had come to its end by then counts as such, whether it was booked by then, later or not yet. Reads a handful
 * of movements, however many there are, and those that booked what had ended.
 *
 * @returns undefined for an unknown user
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function balanceAt(
  connection: Connection,
  userId: string,
  at: number,
): Promise<number | undefined> {
  return inTransaction(connection, async (session) => {
    const document = await accounts(connection).findOne({ _id: userId }, { session });
    if (!document) return undefined;
    const account = toAccount(document);
    const end = firstMovementIdAt(at + 1);
    const [last] = await pageOfUser(connection, userId, { before: end, limit: 1 }, session);
    const overdue = await readOverdueHolds(connection, [account], at, session);
    const before = last?.balances.find((candidate) => candidate.user_id === userId);
    if (account.version === (before?.version ?? 0)) return currentBalance(account, overdue, at).available;
    const booked = await endingsBehind(connection, userId, end, session);
    const changes = [...changesAt(booked, at), ...overdue.map((hold) => given(leftOf(hold), hold, at))];
    return changes.reduce((sum, change) => sum + change, before?.available ?? 0);
  });
}

/** A movement that booked what had come to its end, and when that was. */
interface Ending {
  readonly movement: Movement;
  readonly ended_at: number;
}

/** Before anything else a user's next operation books what has ended: so these movements are the first ones after a time. */
async function endingsBehind(
  connection: Connection,
  userId: string,
  first: string,
  session: ClientSession,
): Promise<Ending[]> {
  const endings: Ending[] = [];
  for (let range: { first: string } | { after: string } = { first }; ; ) {
    const limits = { ...range, oldestFirst: true, limit: MOVEMENTS_AT_A_TIME };
    const page = await pageOfUser(connection, userId, limits, session);
    const endOf = await endsOfExpiredHolds(connection, page, session);
    for (const movement of page) {
      const ended_at = movement.kind === 'expiry' ? movement.expires_at : endOf(movement);
      if (ended_at === undefined) return endings;
      endings.push({ movement, ended_at });
    }
    const newest = page.at(-1);
    if (!newest || page.length < MOVEMENTS_AT_A_TIME) return endings;
    range = { after: newest.movement_id };
  }
}

/** @returns what says of a release when its hold expired; undefined of every other movement */
async function endsOfExpiredHolds(
  connection: Connection,
  page: readonly Movement[],
  session: ClientSession,
): Promise<(movement: Movement) => number | undefined> {
  const releases = page.filter(({ kind }) => kind === 'release');
  const ids = releases.flatMap(({ hold_id }) => hold_id ?? []);
  if (ids.length === 0) return () => undefined;
  const found = await holds(connection)
    .find({ _id: { $in: ids }, status: 'expired' }, { session, projection: { expires_at: 1 } })
    .toArray();
  const ends = new Map(found.map(({ _id, expires_at }) => [_id, expires_at.getTime()]));
  return ({ kind, hold_id }) => (kind === 'release' && hold_id !== undefined ? ends.get(hold_id) : undefined);
}

/** What those of the endings that had come by then mean for what could be spent. */
function changesAt(endings: readonly Ending[], at: number): number[] {
  const firstRelease = endings.findIndex(({ movement }) => movement.kind === 'release');
  return endings.map(({ movement, ended_at }, index) => {
    if (ended_at > at) return 0;
    if (movement.kind === 'release') return given(creditsOf(movement), movement, at);
    // What lapsed only after it had come back from a hold is taken off there.
    return firstRelease === -1 || index < firstRelease ? -creditsOf(movement) : 0;
  });
}

/** What an ended hold gave back, without the part that had lapsed meanwhile. */
function given(
  credits: number,
  { granted = [] }: { readonly granted?: readonly GrantPart[] | undefined },
  at: number,
) {
  const lapsed = granted.filter((part) => part.expires_at <= at);
  return lapsed.reduce((left, part) => left - part.amount, credits);
}

function creditsOf(movement: Movement): number {
  return movement.entries.reduce((most, entry) => Math.max(most, entry.amount), 0);
}
