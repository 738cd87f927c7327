import type { Connection } from 'mongoose';
import { prepareApiKeys } from '../../src/models/apiKeys.ts';
import { prepareAuditLog } from '../../src/models/auditLog.ts';
import { withMongo } from '../command/withMongo.ts';

/**
 * Runs the work on the keys of MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withApiKeys(work: (connection: Connection) => Promise<void>): Promise<void> {
  await withMongo(async (connection) => {
    await prepareApiKeys(connection);
    await prepareAuditLog(connection);
    await work(connection);
  });
}
