import { randomUUID } from 'node:crypto';
import { type ClientSession, type Connection, type InferSchemaType, Schema } from 'mongoose';
import {
  ACCOUNT_KINDS,
  ACCOUNT_STATUSES,
  type Account,
  type AccountDetails,
  type AccountKind,
  type AccountStatus,
  PERSON_ROLES,
} from '../domain/accounts/account.ts';
import { foldEmail, foldUsername } from '../domain/accounts/accountRules.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction, isDuplicateKey } from './transaction.ts';

const accountSchema = new Schema(
  {
    _id: { type: String, required: true },
    kind: { type: String, enum: ACCOUNT_KINDS, required: true },
    roles: { type: [{ type: String, enum: PERSON_ROLES, required: true }], required: true },
    status: { type: String, enum: ACCOUNT_STATUSES, required: true },
    /** Folded, like the user name: there is one account for every spelling. */
    email: String,
    username: String,
    first_name: String,
    last_name: String,
    company_name: String,
    usage_user_id: Number,
    credits_user_id: String,
    store_id: String,
    /** Absent until a password is set; nobody can log in before. */
    password_hash: String,
    /** When the password was last set, or the account enabled: wrong passwords before are of no account any more. */
    failures_forgotten_at: Date,
    token_version: { type: Number, required: true },
    created_at: { type: Date, required: true },
    updated_at: { type: Date, required: true },
  },
  { collection: 'accounts', versionKey: false, strict: 'throw' },
);
accountSchema.index({ email: 1 }, { unique: true, partialFilterExpression: { email: { $exists: true } } });
accountSchema.index(
  { username: 1 },
  { unique: true, partialFilterExpression: { username: { $exists: true } } },
);
accountSchema.index({ created_at: 1, _id: 1 });

type StoredAccount = InferSchemaType<typeof accountSchema>;

/** Another account has the e-mail address or the user name already. */
export class AccountExistsError extends Error {
  override name = 'AccountExistsError';
  readonly field: 'email' | 'username';

  constructor(field: 'email' | 'username') {
    super(`Another account has this ${field} already`);
    this.field = field;
  }
}

export async function prepareAccounts(connection: Connection): Promise<void> {
  await createMissing(connection, 'Account', accountSchema);
}

/**
 * Adds an active account. Its details have been checked with `accountProblems`.
 *
 * @param passwordHash - without one nobody can log in until a password is set
 * @param longestMilliseconds - after which nothing is added any more, so that who was told to come back does not find the
 *   names taken
 * @throws AccountExistsError
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function createAccount(
  connection: Connection,
  details: AccountDetails,
  passwordHash?: string,
  longestMilliseconds?: number,
): Promise<Account> {
  const now = new Date();
  const { kind, roles, email, username, ...rest } = details;
  const stored: StoredAccount = {
    _id: randomUUID(),
    kind,
    roles: [...roles],
    status: 'active',
    ...(email === undefined ? {} : { email: foldEmail(email) }),
    ...(username === undefined ? {} : { username: foldUsername(username) }),
    ...rest,
    ...(passwordHash === undefined ? {} : { password_hash: passwordHash }),
    token_version: 1,
    created_at: now,
    updated_at: now,
  };
  try {
    const insert = (session: ClientSession) => accounts(connection).insertOne(stored, { session });
    await inTransaction(connection, insert, longestMilliseconds);
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const sameEmail = email === undefined ? undefined : await findAccountByEmail(connection, email);
    throw new AccountExistsError(sameEmail ? 'email' : 'username');
  }
  return toAccount(stored);
}

/** The account with this id, whatever its status. */
export async function findAccount(connection: Connection, accountId: string): Promise<Account | undefined> {
  const found = await accounts(connection).findOne({ _id: accountId }, WITHOUT_PASSWORD);
  return found ? toAccount(found) : undefined;
}

/** The account with this id when it may act. Its `token_version` tells which tokens are still good. */
export async function findActiveAccount(
  connection: Connection,
  accountId: string,
): Promise<Account | undefined> {
  const found = await accounts(connection).findOne({ _id: accountId, status: 'active' }, WITHOUT_PASSWORD);
  return found ? toAccount(found) : undefined;
}

/** The account with this e-mail address, whatever its case and status. */
export async function findAccountByEmail(
  connection: Connection,
  email: string,
): Promise<Account | undefined> {
  const found = await accounts(connection).findOne({ email: foldEmail(email) }, WITHOUT_PASSWORD);
  return found ? toAccount(found) : undefined;
}

export async function findAccountByUsername(
  connection: Connection,
  username: string,
): Promise<Account | undefined> {
  const found = await accounts(connection).findOne({ username: foldUsername(username) }, WITHOUT_PASSWORD);
  return found ? toAccount(found) : undefined;
}

export async function hasSuperadmin(connection: Connection): Promise<boolean> {
  return (await accounts(connection).findOne({ kind: 'superadmin' }, { projection: { _id: 1 } })) !== null;
}

/** How an account names itself when it logs in. */
export type LoginName = { readonly email: string } | { readonly username: string };

/** An account with the hash of its password. */
export interface AccountWithPassword {
  readonly account: Account;
  readonly password_hash: string;
}

/** The active account of that name and of one of the kinds, when it has a password. */
export async function findLogin(
  connection: Connection,
  name: LoginName,
  kinds: readonly AccountKind[],
): Promise<AccountWithPassword | undefined> {
  return withPassword(
    await accounts(connection).findOne({
      ...foldedName(name),
      status: 'active',
      kind: { $in: [...kinds] },
    }),
  );
}

/** The active account with this id, when it has a password. */
export async function findPassword(
  connection: Connection,
  accountId: string,
): Promise<AccountWithPassword | undefined> {
  return withPassword(await accounts(connection).findOne({ _id: accountId, status: 'active' }));
}

/** When the failed logins of an account were last to be forgotten: its password was set, or it was enabled. */
export async function findFailuresForgotten(
  connection: Connection,
  account: LoginName | { readonly account_id: string },
): Promise<Date | undefined> {
  const wanted = 'account_id' in account ? { _id: account.account_id } : foldedName(account);
  const found = await accounts(connection).findOne(wanted, { projection: { failures_forgotten_at: 1 } });
  return found?.failures_forgotten_at ?? undefined;
}

/** Which accounts to list, eldest first. */
export interface AccountPage {
  readonly kind?: AccountKind | undefined;
  readonly status?: AccountStatus | undefined;
  /** The last account of the page before. */
  readonly after?: { readonly at: Date; readonly id: string } | undefined;
  readonly limit: number;
}

export async function listAccounts(connection: Connection, page: AccountPage): Promise<Account[]> {
  const { kind, status, after, limit } = page;
  const found = await accounts(connection)
    .find(
      {
        ...(kind ? { kind } : {}),
        ...(status ? { status } : {}),
        ...(after
          ? {
              $or: [{ created_at: { $gt: after.at } }, { created_at: after.at, _id: { $gt: after.id } }],
            }
          : {}),
      },
      WITHOUT_PASSWORD,
    )
    .sort({ created_at: 1, _id: 1 })
    .limit(limit)
    .toArray();
  return found.map(toAccount);
}

/** What of an account may be changed; null takes a detail away. */
export type AccountChanges = {
  readonly [Field in Exclude<keyof AccountDetails, 'kind' | 'roles'>]?:
    | AccountDetails[Field]
    | null
    | undefined;
} & { readonly roles?: AccountDetails['roles'] | undefined; readonly status?: AccountStatus | undefined };

/**
 * Changes an account that is as it was when it was read. Who is disabled loses every login; of who is enabled failed
 * logins are forgotten.
 *
 * @param before - the account with which the outcome was checked
 * @returns the account as it is now, or nothing when it was changed or removed meanwhile
 * @throws AccountExistsError
 */
export async function changeAccount(
  connection: Connection,
  before: Account,
  changes: AccountChanges,
): Promise<Account | undefined> {
  const folded = {
    ...changes,
    ...(changes.email ? { email: foldEmail(changes.email) } : {}),
    ...(changes.username ? { username: foldUsername(changes.username) } : {}),
  };
  const named = Object.entries(folded).filter(([, value]) => value !== undefined);
  const set = Object.fromEntries(named.filter(([, value]) => value !== null));
  const unset: Record<string, ''> = Object.fromEntries(
    named.filter(([, value]) => value === null).map(([field]) => [field, '' as const]),
  );
  const disables = changes.status === 'disabled' && before.status !== 'disabled';
  const enables = changes.status === 'active' && before.status !== 'active';
  const updatedAt = laterThan(before.updated_at);
  try {
    const changed = await accounts(connection).findOneAndUpdate(
      { _id: before.account_id, updated_at: before.updated_at },
      {
        $set: {
          ...set,
          updated_at: updatedAt,
          ...(enables ? { failures_forgotten_at: updatedAt } : {}),
        },
        ...(Object.keys(unset).length > 0 ? { $unset: unset } : {}),
        ...(disables ? { $inc: { token_version: 1 } } : {}),
      },
      { returnDocument: 'after' },
    );
    return changed ? toAccount(changed) : undefined;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const other = changes.email ? await findAccountByEmail(connection, changes.email) : undefined;
    throw new AccountExistsError(other && other.account_id !== before.account_id ? 'email' : 'username');
  }
}

/**
 * Sets another password and ends every login. Failed ones are forgotten.
 *
 * @param replaced - the hash that has to be there still; without it whatever is there is replaced
 * @returns the account as it is now, or nothing when there is none, or its password is another one
 */
export async function changePassword(
  connection: Connection,
  accountId: string,
  passwordHash: string,
  options: { readonly replaced?: string; readonly session?: ClientSession } = {},
): Promise<Account | undefined> {
  const { replaced, session } = options;
  const now = new Date();
  const changed = await accounts(connection).findOneAndUpdate(
    { _id: accountId, ...(replaced === undefined ? {} : { password_hash: replaced }) },
    {
      $set: { password_hash: passwordHash, failures_forgotten_at: now, updated_at: now },
      $inc: { token_version: 1 },
    },
    { returnDocument: 'after', ...(session ? { session } : {}) },
  );
  return changed ? toAccount(changed) : undefined;
}

/** Keeps the same password under a better hash, unless it was changed meanwhile. */
export async function renewPasswordHash(
  connection: Connection,
  accountId: string,
  replaced: string,
  passwordHash: string,
): Promise<void> {
  await accounts(connection).updateOne(
    { _id: accountId, password_hash: replaced },
    { $set: { password_hash: passwordHash } },
  );
}

/** Makes every token of the account worthless. */
export async function endLogins(connection: Connection, accountId: string): Promise<void> {
  await accounts(connection).updateOne({ _id: accountId }, { $inc: { token_version: 1 } });
}

function foldedName(name: LoginName) {
  return 'email' in name ? { email: foldEmail(name.email) } : { username: foldUsername(name.username) };
}

const WITHOUT_PASSWORD = { projection: { password_hash: 0 } } as const;

function accounts(connection: Connection) {
  return usable(connection).collection<StoredAccount>('accounts');
}

/** Two changes within a millisecond must differ: the time is what tells whether an account was changed. */
function laterThan(time: Date): Date {
  return new Date(Math.max(Date.now(), time.getTime() + 1));
}

function withPassword(stored: StoredAccount | null): AccountWithPassword | undefined {
  if (!stored?.password_hash) return undefined;
  return { account: toAccount(stored), password_hash: stored.password_hash };
}

function toAccount(stored: StoredAccount): Account {
  return {
    account_id: stored._id,
    kind: stored.kind,
    roles: stored.roles,
    status: stored.status,
    ...(stored.email ? { email: stored.email } : {}),
    ...(stored.username ? { username: stored.username } : {}),
    ...(stored.first_name ? { first_name: stored.first_name } : {}),
    ...(stored.last_name ? { last_name: stored.last_name } : {}),
    ...(stored.company_name ? { company_name: stored.company_name } : {}),
    ...(stored.usage_user_id ? { usage_user_id: stored.usage_user_id } : {}),
    ...(stored.credits_user_id ? { credits_user_id: stored.credits_user_id } : {}),
    ...(stored.store_id ? { store_id: stored.store_id } : {}),
    token_version: stored.token_version,
    created_at: stored.created_at,
    updated_at: stored.updated_at,
  };
}
