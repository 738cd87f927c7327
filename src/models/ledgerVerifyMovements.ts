import type { Connection } from 'mongoose';
import type { Movement } from '../domain/credits/ledger.ts';
import { type LedgerDrift, sumOfEntries } from '../domain/credits/recount.ts';
import { accounts, holds, movements, toMovement } from './ledgerDocuments.ts';

/**
 * Looks into movements by themselves: each has to balance, and everything that it names has to be there.
 *
 * @param isKnown - says of some users that they are there, which saves asking
 */
export async function verifyMovements(
  connection: Connection,
  batch: readonly Movement[],
  isKnown: (userId: string) => boolean,
): Promise<LedgerDrift[]> {
  const byId = { projection: { _id: 1 } } as const;
  const users = await missingOf(
    batch.flatMap((movement) => unknownUsers(movement, isKnown)),
    (ids) => accounts(connection).find({ _id: { $in: ids } }, byId),
  );
  const named = await missingOf(
    batch.flatMap((movement) => movement.hold_id ?? []),
    (ids) => holds(connection).find({ _id: { $in: ids } }, byId),
  );
  const originals = await findOriginals(connection, batch);
  return batch.flatMap((movement) => {
    const missing = (account: string): LedgerDrift => ({
      kind: 'missing',
      account,
      movement_id: movement.movement_id,
      stored: 0,
      recounted: 1,
    });
    return [
      ...unbalanced(movement),
      ...unknownUsers(movement, (userId) => !users.has(userId)).map((userId) => missing(`user:${userId}`)),
      ...(movement.hold_id !== undefined && named.has(movement.hold_id)
        ? [missing(`hold:${movement.hold_id}`)]
        : []),
      ...(movement.refunds === undefined
        ? []
        : wrongRefund(movement, originals.get(movement.refunds), missing(`movement:${movement.refunds}`))),
    ];
  });
}

/** Adds what the movements bring to the accounts that belong to no user. Unlike a user's balance they have no bound. */
export function addToTotals(totals: Map<string, bigint>, batch: readonly Movement[]): void {
  for (const { account, amount } of batch.flatMap((movement) => movement.entries)) {
    if (account.startsWith('user:') || account.startsWith('held:')) continue;
    totals.set(account, (totals.get(account) ?? 0n) + BigInt(amount));
  }
}

function unbalanced(movement: Movement): LedgerDrift[] {
  const sum = sumOfEntries(movement);
  if (sum === 0) return [];
  const { movement_id } = movement;
  return [{ kind: 'unbalanced', account: `movement:${movement_id}`, movement_id, stored: sum, recounted: 0 }];
}

function unknownUsers(movement: Movement, isKnown: (userId: string) => boolean): string[] {
  return movement.balances.map((balance) => balance.user_id).filter((userId) => !isKnown(userId));
}

function wrongRefund(refund: Movement, original: Movement | undefined, missing: LedgerDrift): LedgerDrift[] {
  if (!original) return [missing];
  const stored = largestEntry(refund);
  const recounted = largestEntry(original);
  if (stored === recounted) return [];
  const { movement_id } = refund;
  return [{ kind: 'refund', account: `movement:${movement_id}`, movement_id, stored, recounted }];
}

function largestEntry(movement: Movement): number {
  return movement.entries.reduce((most, entry) => Math.max(most, entry.amount), 0);
}

/** Which of the ids nothing is found for. */
async function missingOf(
  ids: readonly string[],
  find: (ids: string[]) => AsyncIterable<{ readonly _id: string }>,
): Promise<Set<string>> {
  const missing = new Set(ids);
  if (missing.size === 0) return missing;
  for await (const { _id } of find([...missing])) missing.delete(_id);
  return missing;
}

async function findOriginals(
  connection: Connection,
  batch: readonly Movement[],
): Promise<Map<string, Movement>> {
  const ids = batch.flatMap((movement) => movement.refunds ?? []);
  if (ids.length === 0) return new Map();
  const found = await movements(connection)
    .find({ _id: { $in: ids } })
    .toArray();
  return new Map(found.map((document) => [document._id, toMovement(document)]));
}
