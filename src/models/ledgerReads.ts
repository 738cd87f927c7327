import type { ClientSession, Connection } from 'mongoose';
import { type CreditAccount, currentBalance } from '../domain/credits/account.ts';
import { firstMovementIdAt } from '../domain/credits/clock.ts';
import { currentHold, type HeldCredits } from '../domain/credits/holds.ts';
import type { Balance, Hold, HoldStatus, Movement } from '../domain/credits/ledger.ts';
import { accounts, holds, movements, toAccount, toHold, toMovement } from './ledgerDocuments.ts';
import { inTransaction } from './transaction.ts';

export interface LedgerUser extends Balance {
  readonly username: string;
  readonly email: string;
  readonly low_threshold: number | null;
  /** Milliseconds since 1970 UTC. */
  readonly created_at: number;
}

/**
 * Balances of the known ones among the users, all at one moment, in no order. What has lapsed is taken off already, and
 * what overdue holds give back is there.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function findBalances(connection: Connection, userIds: readonly string[]): Promise<Balance[]> {
  const found = await findCurrentAccounts(connection, userIds);
  return found.map(({ balance }) => balance);
}

/** @throws ServiceUnavailableError when MongoDB is away */
export async function findLedgerUser(
  connection: Connection,
  userId: string,
): Promise<LedgerUser | undefined> {
  const [found] = await findCurrentAccounts(connection, [userId]);
  if (!found) return undefined;
  const { username, email, low_threshold, created_at } = found.account;
  return { ...found.balance, username, email, low_threshold, created_at };
}

interface CurrentAccount {
  readonly account: CreditAccount;
  readonly balance: Balance;
}

async function findCurrentAccounts(
  connection: Connection,
  userIds: readonly string[],
): Promise<CurrentAccount[]> {
  const ids = [...new Set(userIds)];
  if (ids.length === 1) {
    // One document is a snapshot by itself, as long as no holds have to be looked at beside it.
    const found = await readAccounts(connection, ids);
    if (found.every((account) => account.held === 0))
      return found.map((account) => currentOf(account, [], Date.now()));
  }
  return inTransaction(connection, async (session) => {
    const found = await readAccounts(connection, ids, session);
    const now = Date.now();
    const overdue = await readOverdueHolds(connection, found, now, session);
    return found.map((account) => currentOf(account, overdue, now));
  });
}

function currentOf(account: CreditAccount, overdue: readonly HeldCredits[], now: number): CurrentAccount {
  const own = overdue.filter((hold) => hold.user_id === account.user_id);
  return { account, balance: currentBalance(account, own, now) };
}

async function readAccounts(
  connection: Connection,
  ids: string[],
  session?: ClientSession,
): Promise<CreditAccount[]> {
  const found = await accounts(connection)
    .find({ _id: { $in: ids } }, session ? { session } : {})
    .toArray();
  return found.map(toAccount);
}

/** The holds of these users that are past their end then, and that nobody has ended yet. */
export async function readOverdueHolds(
  connection: Connection,
  found: readonly CreditAccount[],
  now: number,
  session: ClientSession,
): Promise<HeldCredits[]> {
  const holders = found.filter((account) => account.held > 0).map((account) => account.user_id);
  if (holders.length === 0) return [];
  const overdue = await holds(connection)
    .find({ user_id: { $in: holders }, status: 'open', expires_at: { $lte: new Date(now) } }, { session })
    .toArray();
  return overdue.map(toHold);
}

export interface MovementQuery {
  readonly user_id: string;
  /** Without holds and releases, as the contract lists them; by default all. */
  readonly listed?: 'contract' | 'all' | undefined;
  /** Only those older than this movement: the last one of the page before. */
  readonly before?: string | undefined;
  /** Only those at this time or later, in milliseconds. */
  readonly from?: number | undefined;
  /** Only those earlier than this time, in milliseconds. */
  readonly to?: number | undefined;
  readonly limit: number;
}

/**
 * A user's movements, newest first. Costs the rows of the page.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function listMovements(connection: Connection, query: MovementQuery): Promise<Movement[]> {
  const { user_id, listed, limit, from } = query;
  const ends = [query.before, query.to === undefined ? undefined : firstMovementIdAt(query.to)];
  const before = ends.filter((end) => end !== undefined).sort()[0];
  const first = from === undefined ? undefined : firstMovementIdAt(from);
  const range = { before, first, limit };
  if (listed === 'contract') return pageOf(connection, user_id, true, range);
  return pageOfUser(connection, user_id, range);
}

/** @throws ServiceUnavailableError when MongoDB is away */
export async function findHold(connection: Connection, holdId: string): Promise<Hold | undefined> {
  const found = await holds(connection).findOne({ _id: holdId });
  return found ? currentHold(toHold(found), Date.now()) : undefined;
}

export interface HoldQuery {
  readonly user_id: string;
  readonly status?: HoldStatus | undefined;
  /** Only those older than this one: the last one of the page before. */
  readonly before?: Pick<Hold, 'created_at' | 'hold_id'> | undefined;
  readonly limit: number;
}

/**
 * A user's holds, newest first.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function listHolds(connection: Connection, query: HoldQuery): Promise<Hold[]> {
  const { user_id, status, before, limit } = query;
  const now = Date.now();
  const created_at = before && new Date(before.created_at);
  const found = await holds(connection)
    .find({
      user_id,
      $and: [
        statusFilter(status, new Date(now)),
        before && created_at
          ? { $or: [{ created_at: { $lt: created_at } }, { created_at, _id: { $lt: before.hold_id } }] }
          : {},
      ],
    })
    .sort({ created_at: -1, _id: -1 })
    .limit(limit)
    .toArray();
  return found.map((document) => currentHold(toHold(document), now));
}

/** An open hold that is past its end counts as expired. */
function statusFilter(status: HoldStatus | undefined, now: Date): object {
  switch (status) {
    case undefined:
      return {};
    case 'open':
      return { status, expires_at: { $gt: now } };
    case 'expired':
      return { $or: [{ status }, { status: 'open', expires_at: { $lte: now } }] };
    default:
      return { status };
  }
}

export interface MovementRange {
  /** Ids below this one. */
  readonly before?: string | undefined;
  /** Ids above this one. */
  readonly after?: string | undefined;
  /** Ids from this one on. */
  readonly first?: string | undefined;
  readonly oldestFirst?: boolean;
  readonly limit: number;
}

/** Of both kinds: those that the contract lists and the others stand apart in the index. */
export async function pageOfUser(
  connection: Connection,
  userId: string,
  range: MovementRange,
  session?: ClientSession,
): Promise<Movement[]> {
  const listed = await pageOf(connection, userId, true, range, session);
  const others = await pageOf(connection, userId, false, range, session);
  const direction = range.oldestFirst ? -1 : 1;
  return [...listed, ...others]
    .sort((one, other) => (one.movement_id < other.movement_id ? direction : -direction))
    .slice(0, range.limit);
}

async function pageOf(
  connection: Connection,
  userId: string,
  listed: boolean,
  { before, after, first, oldestFirst, limit }: MovementRange,
  session?: ClientSession,
): Promise<Movement[]> {
  const _id = {
    ...(before === undefined ? {} : { $lt: before }),
    ...(after === undefined ? {} : { $gt: after }),
    ...(first === undefined ? {} : { $gte: first }),
  };
  const found = await movements(connection)
    .find(
      { 'balances.user_id': userId, listed, ...(Object.keys(_id).length > 0 ? { _id } : {}) },
      session ? { session } : {},
    )
    .sort({ _id: oldestFirst ? 1 : -1 })
    .limit(limit)
    .toArray();
  return found.map(toMovement);
}
