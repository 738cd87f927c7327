import type { Connection } from 'mongoose';
import { LedgerBook, type LedgerChange } from './ledgerBook.ts';
import { inTransaction } from './transaction.ts';

export interface SettledTogether {
  readonly change: LedgerChange;
  /** Those who have more overdue holds than one transaction ends: settling them again goes on. */
  readonly unfinished: readonly string[];
}

/**
 * Books what has come to its end by now for these users, in one transaction. Nothing is lost when it is done late or
 * twice.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function settleUsers(
  connection: Connection,
  userIds: readonly string[],
): Promise<SettledTogether> {
  const operations = userIds.map((user_id) => ({ kind: 'settle', user_id }) as const);
  return inTransaction(connection, async (session) => {
    const book = await LedgerBook.open(connection, session, operations);
    for (const operation of operations) book.carryOut(operation);
    return { change: await book.write(), unfinished: operations.flatMap((one) => book.unsettled(one)) };
  });
}
