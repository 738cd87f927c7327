import type { Connection } from 'mongoose';
import { preparePasswordLinks } from '../../src/models/accountPasswordLinks.ts';
import { prepareAccounts } from '../../src/models/accounts.ts';
import { prepareAuditLog } from '../../src/models/auditLog.ts';
import { withMongo } from '../command/withMongo.ts';

/**
 * Runs the work on the accounts of MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withAccounts(work: (connection: Connection) => Promise<void>): Promise<void> {
  await withMongo(async (connection) => {
    await prepareAccounts(connection);
    await preparePasswordLinks(connection);
    await prepareAuditLog(connection);
    await work(connection);
  });
}
