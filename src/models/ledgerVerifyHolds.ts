import type { ClientSession, Connection } from 'mongoose';
import { leftOf } from '../domain/credits/holds.ts';
import type { Movement } from '../domain/credits/ledger.ts';
import type { LedgerDrift } from '../domain/credits/recount.ts';
import { recountHold } from '../domain/credits/recountHold.ts';
import { accounts, holds, movements, toHold, toMovement } from './ledgerDocuments.ts';
import { pagesOf } from './ledgerPages.ts';
import { inTransaction } from './transaction.ts';

const HOLDS_AT_A_TIME = 500;
const USERS_AT_A_TIME = 1_000;

/**
 * Compares every hold with its movements. One that seems wrong may have changed between two reads: it is looked at again
 * in one snapshot.
 *
 * @returns how many holds there are
 */
export async function verifyHolds(
  connection: Connection,
  tell: (drifts: readonly LedgerDrift[]) => void,
): Promise<number> {
  let counted = 0;
  for await (const page of pagesOf(holds(connection).find({}).sort({ _id: 1 }), HOLDS_AT_A_TIME)) {
    counted += page.length;
    const ids = page.map((hold) => hold._id);
    const doubtful = await wrongHolds(connection, ids);
    if (doubtful.size === 0) continue;
    const wrong = await inTransaction(connection, (session) =>
      wrongHolds(connection, [...doubtful.keys()], session),
    );
    for (const drifts of wrong.values()) tell(drifts);
  }
  return counted;
}

/** Compares what each user has held with what its open holds set aside, in the same way. */
export async function verifyOpenHolds(
  connection: Connection,
  tell: (drifts: readonly LedgerDrift[]) => void,
): Promise<void> {
  const all = accounts(connection)
    .find({}, { projection: { _id: 1 } })
    .sort({ _id: 1 });
  for await (const page of pagesOf(all, USERS_AT_A_TIME)) {
    const userIds = page.map((account) => account._id);
    const doubtful = await wronglyHeld(connection, userIds);
    if (doubtful.length === 0) continue;
    const doubtfulIds = doubtful.map(({ account }) => account.slice('held:'.length));
    tell(await inTransaction(connection, (session) => wronglyHeld(connection, doubtfulIds, session)));
  }
}

async function wrongHolds(
  connection: Connection,
  holdIds: readonly string[],
  session?: ClientSession,
): Promise<Map<string, LedgerDrift[]>> {
  const options = session ? { session } : {};
  const found = await holds(connection)
    .find({ _id: { $in: [...holdIds] } }, options)
    .toArray();
  const byHold = new Map<string, Movement[]>();
  for await (const document of movements(connection).find({ hold_id: { $in: [...holdIds] } }, options)) {
    const movement = toMovement(document);
    const id = document.hold_id ?? '';
    const ofHold = byHold.get(id);
    if (ofHold) ofHold.push(movement);
    else byHold.set(id, [movement]);
  }
  const wrong = new Map<string, LedgerDrift[]>();
  for (const document of found) {
    const drifts = recountHold(toHold(document), byHold.get(document._id) ?? []);
    if (drifts.length > 0) wrong.set(document._id, drifts);
  }
  return wrong;
}

async function wronglyHeld(
  connection: Connection,
  userIds: readonly string[],
  session?: ClientSession,
): Promise<LedgerDrift[]> {
  const options = session ? { session } : {};
  const found = await accounts(connection)
    .find({ _id: { $in: [...userIds] } }, { ...options, projection: { held: 1 } })
    .toArray();
  const left = new Map<string, number>();
  const open = holds(connection).find({ user_id: { $in: [...userIds] }, status: 'open' }, options);
  for await (const document of open) {
    const hold = toHold(document);
    left.set(hold.user_id, (left.get(hold.user_id) ?? 0) + leftOf(hold));
  }
  return found
    .map(({ _id, held }) => ({ _id, held, recounted: left.get(_id) ?? 0 }))
    .filter(({ held, recounted }) => held !== recounted)
    .map(({ _id, held, recounted }) => ({
      kind: 'open-holds',
      account: `held:${_id}`,
      stored: held,
      recounted,
    }));
}
