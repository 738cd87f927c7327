import type { Connection } from 'mongoose';
import { prepareAuditLog } from '../../src/models/auditLog.ts';
import { prepareCounters } from '../../src/models/counters.ts';
import { prepareUsers } from '../../src/models/users.ts';
import { withMongo } from '../command/withMongo.ts';

/**
 * Runs the work on the users of MONGODB_URL, else on those of the system that runs on the data folder.
 *
 * @throws {CommandFailure} when there is neither, or MongoDB does not answer
 */
export async function withUsers(work: (connection: Connection) => Promise<void>): Promise<void> {
  await withMongo(async (connection) => {
    await prepareCounters(connection);
    await prepareUsers(connection);
    await prepareAuditLog(connection);
    await work(connection);
  });
}
