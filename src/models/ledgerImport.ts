import type { Connection } from 'mongoose';
import { checkOperation } from '../domain/credits/checkOperation.ts';
import { MOST_CREDITS } from '../domain/credits/limits.ts';
import { LedgerBook } from './ledgerBook.ts';
import { accounts } from './ledgerDocuments.ts';
import { inTransaction } from './transaction.ts';

export interface ImportedUser {
  readonly user_id: string;
  readonly username: string;
  readonly email: string;
  /** From 0 up. */
  readonly credits: number;
}

/** `exists`: the user was there before and stays as it is. */
export type ImportedUserOutcome = 'imported' | 'exists' | 'balance-too-large';

/**
 * What importing these users would do now, in order.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function previewUserImport(
  connection: Connection,
  rows: readonly ImportedUser[],
): Promise<ImportedUserOutcome[]> {
  const ids = rows.map((row) => row.user_id);
  const found = await accounts(connection)
    .find({ _id: { $in: ids } }, { projection: { _id: 1 } })
    .toArray();
  const known = new Set(found.map((account) => account._id));
  return rows.map((row) => {
    if (known.has(row.user_id)) return 'exists';
    return row.credits > MOST_CREDITS ? 'balance-too-large' : 'imported';
  });
}

/**
 * Adds those of the users that are unknown, all in one transaction, each with one opening movement for what it has. A
 * repeat changes nothing.
 *
 * @param rows - a page of them; no user_id twice
 * @returns what became of each, in order
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function importUsers(
  connection: Connection,
  rows: readonly ImportedUser[],
): Promise<ImportedUserOutcome[]> {
  const operations = rows.map((row) => ({ kind: 'import-user', ...row }) as const);
  for (const operation of operations) checkOperation(operation);
  return inTransaction(connection, async (session) => {
    const book = await LedgerBook.open(connection, session, operations);
    const outcomes = operations.map((operation): ImportedUserOutcome => {
      if (book.account(operation.user_id)) return 'exists';
      return book.carryOut(operation).kind === 'done' ? 'imported' : 'balance-too-large';
    });
    await book.write();
    return outcomes;
  });
}
