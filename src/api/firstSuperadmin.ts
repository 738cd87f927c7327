import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Environment } from '../../config/env.ts';
import { AccountExistsError, createAccount, hasSuperadmin, prepareAccounts } from '../models/accounts.ts';
import type { PasswordHasher } from '../runtime/passwordHasher.ts';

/**
 * Makes the superadmin of SUPERADMIN_USERNAME and SUPERADMIN_PASSWORD when there is none at all. Of several processes that
 * start at once, one makes it: the user name is unique.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function ensureFirstSuperadmin(
  connection: Connection,
  passwords: PasswordHasher,
  environment: Environment,
  logger: Logger,
): Promise<void> {
  const { SUPERADMIN_USERNAME: username, SUPERADMIN_PASSWORD: password } = environment;
  if (username === undefined || password === undefined) return;
  // The unique index has to be there before anybody looks.
  await prepareAccounts(connection);
  if (await hasSuperadmin(connection)) return;
  const passwordHash = await passwords.hash(password);
  try {
    const { account_id } = await createAccount(
      connection,
      { kind: 'superadmin', roles: [], username },
      passwordHash,
    );
    logger.info({ account_id }, 'The first superadmin was made');
  } catch (error) {
    if (!(error instanceof AccountExistsError)) throw error;
    if (await hasSuperadmin(connection)) return;
    logger.error('SUPERADMIN_USERNAME belongs to an account that is no superadmin; choose another one');
  }
}
