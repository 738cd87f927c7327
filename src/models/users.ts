import { type Connection, type InferSchemaType, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

/** `roles` of those who may report usage: a seller. The numbers are the ones of the contract's first server. */
export const SELLER_ROLE = 3;
export const ACTIVE_STATUS = 1;

const userSchema = new Schema(
  {
    user_id: { type: Number, required: true },
    /** As it was entered; answers echo this spelling. */
    user_name: { type: String, required: true },
    /** For the look-up that ignores case. */
    user_name_folded: { type: String, required: true },
    roles: { type: Number, required: true },
    status: { type: Number, required: true },
  },
  { collection: 'users', versionKey: false, strict: 'throw' },
);
userSchema.index({ user_id: 1 }, { unique: true });
userSchema.index({ user_name: 1 }, { unique: true });
userSchema.index({ user_name_folded: 1 });

type StoredUser = InferSchemaType<typeof userSchema>;

export interface User {
  readonly user_id: number;
  readonly user_name: string;
  readonly roles: number;
  readonly status: number;
}

/** The name or the id belongs to somebody else already. */
export class UserExistsError extends Error {
  override name = 'UserExistsError';
}

export async function prepareUsers(connection: Connection): Promise<void> {
  await createMissing(connection, 'User', userSchema);
}

/** Spelling that ignores case, as the first server's database compared names. */
export function foldUserName(userName: string): string {
  return userName.normalize('NFC').toLowerCase();
}

/** True for an active seller. */
export function mayReportUsage(user: User): boolean {
  return user.roles === SELLER_ROLE && user.status === ACTIVE_STATUS;
}

/**
 * Everybody whose name matches one of the names, ignoring case. Sorted by id, so that of several that differ in case
 * only, the eldest comes first.
 */
export async function findUsersByName(connection: Connection, userNames: readonly string[]): Promise<User[]> {
  const folded = [...new Set(userNames.map(foldUserName))];
  const found = await usable(connection)
    .collection<StoredUser>('users')
    .find({ user_name_folded: { $in: folded } })
    .sort({ user_id: 1 })
    .toArray();
  return found.map(toUser);
}

/** The users with these ids, in no order. */
export async function findUsersById(connection: Connection, userIds: readonly number[]): Promise<User[]> {
  const found = await usable(connection)
    .collection<StoredUser>('users')
    .find({ user_id: { $in: [...new Set(userIds)] } })
    .toArray();
  return found.map(toUser);
}

/** Whom a name means: its exact owner, else the eldest active seller that differs in case only, else nobody. */
export function chooseUser(userName: string, candidates: readonly User[]): User | undefined {
  const exact = candidates.find((user) => user.user_name === userName);
  if (exact) return exact;
  const folded = foldUserName(userName);
  const similar = candidates.filter((user) => foldUserName(user.user_name) === folded);
  return similar.find(mayReportUsage) ?? similar[0];
}

function toUser(stored: StoredUser): User {
  return { user_id: stored.user_id, user_name: stored.user_name, roles: stored.roles, status: stored.status };
}
