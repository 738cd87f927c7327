/** A step of `npm start`: makes the collections and, at the first start, whoever `npm run demo` names. */
import type { Connection } from 'mongoose';
import { readEnvironment } from '../../config/env.ts';
import { ensureFirstSuperadmin } from '../../src/api/firstSuperadmin.ts';
import type { AccountDetails } from '../../src/domain/accounts/account.ts';
import { ACTIVE_STATUS, SELLER_ROLE } from '../../src/domain/users/seller.ts';
import type { User } from '../../src/domain/users/user.ts';
import { chooseUser } from '../../src/domain/users/userName.ts';
import { createAccount, findAccountByEmail, findAccountByUsername } from '../../src/models/accounts.ts';
import { prepareCollections } from '../../src/models/collections.ts';
import { Ledger } from '../../src/models/ledger.ts';
import { findLedgerUser } from '../../src/models/ledgerReads.ts';
import { createUser, findUsersByName } from '../../src/models/users.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { PasswordHasher } from '../../src/runtime/passwordHasher.ts';
import { withMongo } from '../command/withMongo.ts';
import { type Credentials, openCredentials } from './credentials.ts';

const INITIAL_CREDITS = 60;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error('The data folder is missing.');

const credentials = openCredentials(folder);
const environment = readEnvironment();
const passwords = new PasswordHasher();

await withMongo(async (connection) => {
  await prepareCollections(connection);
  const seller = await ensureSeller(connection, credentials.seller.userName);
  await ensureCreditsUser(connection, credentials);
  const logger = createLogger('setup', environment.LOG_LEVEL);
  await ensureFirstSuperadmin(connection, passwords, environment, logger);
  for (const { details, password } of demoAccounts(credentials, seller)) {
    await ensureAccount(connection, details, password);
  }
});

async function ensureSeller(connection: Connection, userName: string): Promise<User> {
  const existing = chooseUser(userName, await findUsersByName(connection, [userName]));
  if (existing) return existing;
  return createUser(connection, { user_name: userName, roles: SELLER_ROLE, status: ACTIVE_STATUS });
}

async function ensureCreditsUser(connection: Connection, { admin, credits }: Credentials): Promise<void> {
  if (await findLedgerUser(connection, credits.user_id)) return;
  await new Ledger(connection).execute({
    kind: 'create-user',
    user_id: credits.user_id,
    username: 'Demo User',
    email: admin.email,
    initial_credits: INITIAL_CREDITS,
  });
}

interface DemoAccount {
  readonly details: AccountDetails;
  readonly password: string;
}

function demoAccounts({ admin, member, company, edge, credits }: Credentials, seller: User): DemoAccount[] {
  return [
    {
      details: {
        kind: 'person',
        roles: ['admin'],
        email: admin.email,
        first_name: 'Demo',
        last_name: 'Admin',
        usage_user_id: seller.user_id,
        credits_user_id: credits.user_id,
      },
      password: admin.password,
    },
    {
      details: {
        kind: 'person',
        roles: ['member'],
        email: member.email,
        first_name: 'Demo',
        last_name: 'Member',
      },
      password: member.password,
    },
    {
      details: { kind: 'company', roles: [], email: company.email, company_name: 'Demo Company' },
      password: company.password,
    },
    { details: { kind: 'edge', roles: [], username: edge.username }, password: edge.password },
  ];
}

/** One that is there already keeps its password, which may have been changed. */
async function ensureAccount(
  connection: Connection,
  details: AccountDetails,
  password: string,
): Promise<void> {
  const { email, username } = details;
  const existing =
    email === undefined
      ? await findAccountByUsername(connection, username ?? '')
      : await findAccountByEmail(connection, email);
  if (!existing) await createAccount(connection, details, await passwords.hash(password));
}
