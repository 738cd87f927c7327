import type { Connection } from 'mongoose';
import { isOutage } from '../runtime/outage.ts';
import type { LedgerChange } from './ledgerBook.ts';
import { accounts, holds } from './ledgerDocuments.ts';
import { settleUsers } from './ledgerSettle.ts';

/** Small, because one user may have a hundred lapses and hundreds of holds. */
const USERS_AT_A_TIME = 50;

/** What became of a page of users. */
export interface SettledUsers extends LedgerChange {
  /** Those whose accounts could not be settled, and why. */
  readonly failures: readonly { readonly user_id: string; readonly error: unknown }[];
}

/**
 * Books what has come to its end by now, page by page: holds give back what is left of them, lapsed grants go. Any number
 * of processes may do it at the same time.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function* settleDueUsers(connection: Connection): AsyncGenerator<SettledUsers> {
  const now = new Date();
  for await (const userIds of holdersOfOverdueHolds(connection, now)) yield settle(connection, userIds);
  for await (const userIds of ownersOfLapsedGrants(connection, now)) yield settle(connection, userIds);
}

async function settle(connection: Connection, userIds: readonly string[]): Promise<SettledUsers> {
  try {
    return { ...(await settleUsers(connection, userIds)).change, failures: [] };
  } catch (error) {
    if (isOutage(error)) throw error;
    return settleEachAlone(connection, userIds);
  }
}

/** An account that is not sound must not keep the others from getting their credits back. */
async function settleEachAlone(connection: Connection, userIds: readonly string[]): Promise<SettledUsers> {
  const changes: LedgerChange[] = [];
  const failures: { user_id: string; error: unknown }[] = [];
  for (const user_id of userIds) {
    try {
      changes.push((await settleUsers(connection, [user_id])).change);
    } catch (error) {
      if (isOutage(error)) throw error;
      failures.push({ user_id, error });
    }
  }
  return {
    user_ids: changes.flatMap((change) => change.user_ids),
    event_ids: changes.flatMap((change) => change.event_ids),
    failures,
  };
}

async function* holdersOfOverdueHolds(connection: Connection, now: Date): AsyncGenerator<string[]> {
  let last: { at: Date; id: string } | undefined;
  for (;;) {
    const behind = last
      ? { $or: [{ expires_at: { $gt: last.at } }, { expires_at: last.at, _id: { $gt: last.id } }] }
      : {};
    const page = await holds(connection)
      .find(
        { status: 'open', expires_at: { $lte: now }, ...behind },
        { projection: { user_id: 1, expires_at: 1 } },
      )
      .sort({ expires_at: 1, _id: 1 })
      .limit(USERS_AT_A_TIME)
      .toArray();
    const newest = page.at(-1);
    if (!newest) return;
    last = { at: newest.expires_at, id: newest._id };
    yield [...new Set(page.map((hold) => hold.user_id))];
  }
}

async function* ownersOfLapsedGrants(connection: Connection, now: Date): AsyncGenerator<string[]> {
  let last: { at: Date; id: string } | undefined;
  for (;;) {
    const behind = last
      ? { $or: [{ next_expiry_at: { $gt: last.at } }, { next_expiry_at: last.at, _id: { $gt: last.id } }] }
      : {};
    const page = await accounts(connection)
      .find({ next_expiry_at: { $lte: now }, ...behind }, { projection: { next_expiry_at: 1 } })
      .sort({ next_expiry_at: 1, _id: 1 })
      .limit(USERS_AT_A_TIME)
      .toArray();
    const newest = page.at(-1);
    if (!newest?.next_expiry_at) return;
    last = { at: newest.next_expiry_at, id: newest._id };
    yield page.map((account) => account._id);
  }
}
