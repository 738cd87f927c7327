import type { Connection } from 'mongoose';
import type { Movement } from '../domain/credits/ledger.ts';
import { type LedgerDrift, UserRecount } from '../domain/credits/recount.ts';
import { accounts, movements, toAccount, toMovement } from './ledgerDocuments.ts';
import { pagesOf } from './ledgerPages.ts';
import { verifyHolds, verifyOpenHolds } from './ledgerVerifyHolds.ts';
import { addToTotals, verifyMovements } from './ledgerVerifyMovements.ts';

/** Users whose movements are counted in one reading of all movements, which bounds the memory. */
const USERS_AT_A_TIME = 50_000;
/** Movements that are looked into together. */
const MOVEMENTS_AT_A_TIME = 1_000;

export interface LedgerVerification {
  readonly users: number;
  readonly movements: number;
  readonly holds: number;
  /** What issuance, expiry and each app come to by the movements. */
  readonly totals: ReadonlyMap<string, bigint>;
  /** How many differences there are. */
  readonly drifted: number;
  /** The first of them. */
  readonly drifts: readonly LedgerDrift[];
}

/**
 * Counts the whole ledger anew and compares. It may run while others write: a user's movements are numbered, so those that
 * came after its account was read are told apart; holds that seem wrong are looked at once more in one snapshot.
 *
 * @param mostDrifts - differences that are listed; all are counted
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function verifyLedger(connection: Connection, mostDrifts: number): Promise<LedgerVerification> {
  const found = new FoundDrifts(mostDrifts);
  const totals = new Map<string, bigint>();
  let users = 0;
  let counted = 0;
  let after: string | undefined;
  for (let isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const page = await readAccounts(connection, after);
    for await (const batch of movementBatches(connection)) {
      if (isFirst) {
        counted += batch.length;
        addToTotals(totals, batch);
        found.add(await verifyMovements(connection, batch, (userId) => page.has(userId)));
      }
      for (const movement of batch) {
        for (const { user_id } of movement.balances) found.add(page.get(user_id)?.add(movement) ?? []);
      }
    }
    for (const recount of page.values()) found.add(recount.end());
    users += page.size;
    after = page.size === USERS_AT_A_TIME ? [...page.keys()].at(-1) : undefined;
  }
  found.add(overdrawnApps(totals));
  const tell = (drifts: readonly LedgerDrift[]) => found.add(drifts);
  const countedHolds = await verifyHolds(connection, tell);
  await verifyOpenHolds(connection, tell);
  return {
    users,
    movements: counted,
    holds: countedHolds,
    totals,
    drifted: found.count,
    drifts: found.listed,
  };
}

class FoundDrifts {
  readonly #most: number;
  readonly listed: LedgerDrift[] = [];
  count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(drifts: readonly LedgerDrift[]): void {
    this.count += drifts.length;
    this.listed.push(...drifts.slice(0, this.#most - this.listed.length));
  }
}

async function readAccounts(
  connection: Connection,
  after: string | undefined,
): Promise<Map<string, UserRecount>> {
  const page = new Map<string, UserRecount>();
  const found = accounts(connection)
    .find(after === undefined ? {} : { _id: { $gt: after } })
    .sort({ _id: 1 })
    .limit(USERS_AT_A_TIME);
  for await (const document of found) page.set(document._id, new UserRecount(toAccount(document)));
  return page;
}

function movementBatches(connection: Connection): AsyncGenerator<Movement[]> {
  const all = movements(connection)
    .find({})
    .sort({ _id: 1 })
    .map((document) => toMovement(document));
  return pagesOf(all, MOVEMENTS_AT_A_TIME);
}

/** No app can give back more than it has earned. */
function overdrawnApps(totals: ReadonlyMap<string, bigint>): LedgerDrift[] {
  return [...totals]
    .filter(([account, total]) => account.startsWith('app:') && total < 0n)
    .map(([account, total]) => ({ kind: 'negative', account, stored: Number(total), recounted: 0 }));
}
