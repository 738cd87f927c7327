import { type ClientSession, type Connection, type InferSchemaType, Schema } from 'mongoose';
import type { NewUser, User } from '../domain/users/user.ts';
import { foldUserName } from '../domain/users/userName.ts';
import { usable } from '../runtime/mongo.ts';
import { raiseNumbers, takeNumbers } from './counters.ts';
import { createMissing } from './createMissing.ts';
import { isDuplicateKey } from './transaction.ts';

const COLLECTION = 'users';

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
  { collection: COLLECTION, versionKey: false, strict: 'throw' },
);
userSchema.index({ user_id: 1 }, { unique: true });
userSchema.index({ user_name: 1 }, { unique: true });
userSchema.index({ user_name_folded: 1 });

type StoredUser = InferSchemaType<typeof userSchema>;

/** The counter that ids are taken from; it never falls behind an id that somebody brought along. */
const USER_IDS = 'users';
const MOST_COLLISIONS = 5;

/** The name or the id belongs to somebody else already. */
export class UserExistsError extends Error {
  override name = 'UserExistsError';
}

/** Ids are never given twice, so an id close to 2^53 that somebody brought along leaves none. */
export class NoUserIdLeftError extends Error {
  override name = 'NoUserIdLeftError';

  constructor() {
    super('No user id is left above the largest one; add users with ids of their own (--user_id)');
  }
}

function userDocuments(connection: Connection) {
  return usable(connection).collection<StoredUser>(COLLECTION);
}

export async function prepareUsers(connection: Connection): Promise<void> {
  await createMissing(connection, 'User', userSchema);
}

/**
 * Everybody whose name matches one of the names, ignoring case. Sorted by id, so that of several that differ in case
 * only, the eldest comes first.
 */
export async function findUsersByName(connection: Connection, userNames: readonly string[]): Promise<User[]> {
  const folded = [...new Set(userNames.map(foldUserName))];
  const found = await userDocuments(connection)
    .find({ user_name_folded: { $in: folded } })
    .sort({ user_id: 1 })
    .toArray();
  return found.map(toUser);
}

/** The users with these ids, in no order. */
export async function findUsersById(connection: Connection, userIds: readonly number[]): Promise<User[]> {
  const found = await userDocuments(connection)
    .find({ user_id: { $in: [...new Set(userIds)] } })
    .toArray();
  return found.map(toUser);
}

/** Everybody who has the id or the very name of one of these users; who has both stands in the list twice. */
export async function findUsersByIdOrName(
  connection: Connection,
  users: readonly User[],
  session?: ClientSession,
): Promise<User[]> {
  const collection = userDocuments(connection);
  const options = session ? { session } : {};
  // Two questions that an index answers each, one after the other: a session runs one command at a time.
  const byId = await collection
    .find({ user_id: { $in: users.map((user) => user.user_id) } }, options)
    .toArray();
  const byName = await collection
    .find({ user_name: { $in: users.map((user) => user.user_name) } }, options)
    .toArray();
  return [...byId, ...byName].map(toUser);
}

/**
 * Adds a user. One who brings no id along gets the next free one.
 *
 * @throws UserExistsError when the name or the id is taken
 * @throws NoUserIdLeftError
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function createUser(connection: Connection, user: NewUser): Promise<User> {
  const userId = user.user_id;
  for (let collisions = 0; ; collisions++) {
    const created = { ...user, user_id: userId ?? (await nextUserId(connection)) };
    try {
      await userDocuments(connection).insertOne(toStoredUser(created));
      // Only an id that is really taken may push the others up.
      if (userId !== undefined) await reserveUserIds(connection, userId);
      return created;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      await refuseTaken(connection, user);
      if (collisions === MOST_COLLISIONS) throw error;
      await reserveUserIds(connection, await largestUserId(connection));
    }
  }
}

/** Which users to list, in the order of their ids. */
export interface UserPage {
  /** Part of the name, ignoring case. */
  readonly namePart?: string | undefined;
  /** The last id of the page before; 0 for the first page. */
  readonly afterId: number;
  readonly limit: number;
}

export async function listUsers(connection: Connection, page: UserPage): Promise<User[]> {
  const { namePart, afterId, limit } = page;
  const found = await userDocuments(connection)
    .find({
      user_id: { $gt: afterId },
      ...(namePart ? { user_name_folded: { $regex: asPattern(foldUserName(namePart)) } } : {}),
    })
    .sort({ user_id: 1 })
    .limit(limit)
    .toArray();
  return found.map(toUser);
}

/** @returns the user as it is now, or nothing when nobody has the id */
export async function setUserStatus(
  connection: Connection,
  userId: number,
  status: number,
): Promise<User | undefined> {
  const changed = await userDocuments(connection).findOneAndUpdate(
    { user_id: userId },
    { $set: { status } },
    { returnDocument: 'after' },
  );
  return changed ? toUser(changed) : undefined;
}

/** Sees to it that no new user is given an id up to this one. */
export async function reserveUserIds(connection: Connection, upTo: number): Promise<void> {
  await raiseNumbers(connection, USER_IDS, upTo);
}

/** Adds users with the ids that they bring along. Their ids have been reserved. */
export async function createUsers(
  connection: Connection,
  users: readonly User[],
  session: ClientSession,
): Promise<void> {
  await userDocuments(connection).insertMany(users.map(toStoredUser), { session });
}

export async function updateRolesAndStatus(
  connection: Connection,
  users: readonly User[],
  session: ClientSession,
): Promise<void> {
  await userDocuments(connection).bulkWrite(
    users.map(({ user_id, roles, status }) => ({
      updateOne: { filter: { user_id }, update: { $set: { roles, status } } },
    })),
    { session },
  );
}

async function nextUserId(connection: Connection): Promise<number> {
  const userId = await takeNumbers(connection, USER_IDS, 1);
  if (!Number.isSafeInteger(userId)) throw new NoUserIdLeftError();
  return userId;
}

async function refuseTaken(connection: Connection, user: NewUser): Promise<void> {
  const { user_name: userName, user_id: userId } = user;
  const similar = await findUsersByName(connection, [userName]);
  const sameName = similar.find((other) => other.user_name === userName);
  if (sameName) {
    throw new UserExistsError(`${JSON.stringify(userName)} exists already, with user_id ${sameName.user_id}`);
  }
  const [sameId] = userId === undefined ? [] : await findUsersById(connection, [userId]);
  if (sameId) {
    throw new UserExistsError(`user_id ${userId} belongs to ${JSON.stringify(sameId.user_name)} already`);
  }
}

async function largestUserId(connection: Connection): Promise<number> {
  const [last] = await userDocuments(connection).find().sort({ user_id: -1 }).limit(1).toArray();
  return last?.user_id ?? 0;
}

function asPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

function toStoredUser(user: User): StoredUser {
  return {
    user_id: user.user_id,
    user_name: user.user_name,
    user_name_folded: foldUserName(user.user_name),
    roles: user.roles,
    status: user.status,
  };
}

function toUser(stored: StoredUser): User {
  return { user_id: stored.user_id, user_name: stored.user_name, roles: stored.roles, status: stored.status };
}
