/** A step of `npm start`: makes the collections and, at the first start, the seller that the lines to try name. */
import { ACTIVE_STATUS, createUser, findUsersByName, SELLER_ROLE } from '../../src/models/users.ts';
import { withUsers } from '../users/openUsers.ts';

const [userName] = process.argv.slice(2);
if (!userName) throw new Error('The name of the seller is missing.');

await withUsers(async (connection) => {
  const existing = await findUsersByName(connection, [userName]);
  if (existing.length > 0) return;
  await createUser(connection, { user_name: userName, roles: SELLER_ROLE, status: ACTIVE_STATUS });
});
