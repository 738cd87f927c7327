/** A step of `npm start`: makes the collections and, at the first start, the seller that the lines to try name. */
import { readEnvironment } from '../../config/env.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import { ACTIVE_STATUS, createUser, findUsersByName, SELLER_ROLE } from '../../src/models/users.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectMongo } from '../../src/runtime/mongo.ts';

const [userName] = process.argv.slice(2);
if (!userName) throw new Error('The name of the seller is missing.');

const environment = readEnvironment();
const connection = connectMongo(
  environment.MONGODB_URL,
  'worker',
  createLogger('setup', environment.LOG_LEVEL),
);
await connection.asPromise();
await prepareCollections(connection);
const existing = await findUsersByName(connection, [userName]);
if (existing.length === 0) {
  await createUser(connection, { user_name: userName, roles: SELLER_ROLE, status: ACTIVE_STATUS });
}
await connection.close();
