import { createHash, randomBytes } from 'node:crypto';
import { type Connection, type InferSchemaType, Schema } from 'mongoose';
import type { Account } from '../domain/accounts/account.ts';
import { usable } from '../runtime/mongo.ts';
import { changePassword, findActiveAccount } from './accounts.ts';
import { createMissing } from './createMissing.ts';
import { inTransaction } from './transaction.ts';

const passwordLinkSchema = new Schema(
  {
    /** Hash of the token in the link. */
    _id: { type: String, required: true },
    account_id: { type: String, required: true },
    expires_at: { type: Date, required: true },
  },
  { collection: 'account_password_links', versionKey: false, strict: 'throw' },
);
passwordLinkSchema.index({ account_id: 1 });
passwordLinkSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

type StoredPasswordLink = InferSchemaType<typeof passwordLinkSchema>;

export async function preparePasswordLinks(connection: Connection): Promise<void> {
  await createMissing(connection, 'AccountPasswordLink', passwordLinkSchema);
}

/** @returns the token of a link that sets the account's password once; it is kept nowhere */
export async function createPasswordLink(
  connection: Connection,
  accountId: string,
  expiresAt: Date,
): Promise<string> {
  const token = randomBytes(32).toString('base64url');
  await links(connection).insertOne({ _id: hashOf(token), account_id: accountId, expires_at: expiresAt });
  return token;
}

/** The active account whose password the link sets, while it can be used. */
export async function findLinkedAccount(connection: Connection, token: string): Promise<Account | undefined> {
  const link = await links(connection).findOne({ _id: hashOf(token), expires_at: { $gt: new Date() } });
  return link ? findActiveAccount(connection, link.account_id) : undefined;
}

/**
 * Sets the password, ends every login, and makes all links of the account unusable, in one transaction.
 *
 * @returns the account, or nothing when the link has expired or was used meanwhile
 */
export async function usePasswordLink(
  connection: Connection,
  token: string,
  passwordHash: string,
): Promise<Account | undefined> {
  return inTransaction(connection, async (session) => {
    const unexpired = { _id: hashOf(token), expires_at: { $gt: new Date() } };
    const link = await links(connection).findOneAndDelete(unexpired, { session });
    if (!link) return undefined;
    await links(connection).deleteMany({ account_id: link.account_id }, { session });
    return changePassword(connection, link.account_id, passwordHash, { session });
  });
}

/** The tokens are random, so a plain hash cannot be undone. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function links(connection: Connection) {
  return usable(connection).collection<StoredPasswordLink>('account_password_links');
}
