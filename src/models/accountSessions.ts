import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Connection, type InferSchemaType, Schema } from 'mongoose';
import { type Account, type AccountKind, REFRESH_TOKEN_SECONDS } from '../domain/accounts/account.ts';
import { usable } from '../runtime/mongo.ts';
import { ServiceUnavailableError } from '../runtime/outage.ts';
import { endLogins, findActiveAccount } from './accounts.ts';
import { createMissing } from './createMissing.ts';

/** A login and all its continuations. */
const sessionSchema = new Schema(
  {
    _id: { type: String, required: true },
    account_id: { type: String, required: true },
    /** The account's when it began: when that one is raised, the session is over. */
    token_version: { type: Number, required: true },
    created_at: { type: Date, required: true },
    /** Of the latest refresh token. */
    expires_at: { type: Date, required: true },
    /** Logged out, or a token was used that had been used before. */
    ended_at: Date,
  },
  { collection: 'account_sessions', versionKey: false, strict: 'throw' },
);
sessionSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

const refreshTokenSchema = new Schema(
  {
    /** Hash of the token: who reads the database cannot use it. */
    _id: { type: String, required: true },
    session_id: { type: String, required: true },
    expires_at: { type: Date, required: true },
    used_at: Date,
  },
  { collection: 'refresh_tokens', versionKey: false, strict: 'throw' },
);
refreshTokenSchema.index({ expires_at: 1 }, { expireAfterSeconds: 0 });

type StoredSession = InferSchemaType<typeof sessionSchema>;
type StoredRefreshToken = InferSchemaType<typeof refreshTokenSchema>;

/**
 * A client that refreshes twice at once, or has lost the answer and asks again, is no thief. Within this time a token that
 * was used gives one more successor; later its use ends the session.
 */
const GRACE_MILLISECONDS = 10_000;
/** An answer is due within 1.4 s of the request; the rest is for the last step. */
const LONGEST_EXCHANGE_MILLISECONDS = 1_000;

export async function prepareAccountSessions(connection: Connection): Promise<void> {
  await createMissing(connection, 'AccountSession', sessionSchema);
  await createMissing(connection, 'RefreshToken', refreshTokenSchema);
}

/**
 * Begins a session.
 *
 * @returns its first refresh token, which is kept nowhere
 */
export async function startSession(connection: Connection, account: Account): Promise<string> {
  const now = new Date();
  const sessionId = randomUUID();
  await sessions(connection).insertOne({
    _id: sessionId,
    account_id: account.account_id,
    token_version: account.token_version,
    created_at: now,
    expires_at: expiryOf(account, now),
  });
  return addRefreshToken(connection, sessionId, account, now);
}

/** What came of an attempt to continue a session. */
export type Continuation =
  | { readonly kind: 'continued'; readonly account: Account; readonly refreshToken: string }
  /** Unknown, expired, ended, or of an account that may not. */
  | { readonly kind: 'refused' }
  /** It was used before, so somebody else may have it. The session has been ended. */
  | { readonly kind: 'reused'; readonly account_id: string };

/**
 * Exchanges a refresh token for its successor. What takes too long is given up, and the token stays as good as it was: its
 * sender has been told to come back, and may do so much later.
 *
 * @param kinds - of the accounts that may
 * @throws ServiceUnavailableError
 */
export async function continueSession(
  connection: Connection,
  token: string,
  kinds: readonly AccountKind[],
): Promise<Continuation> {
  const until = performance.now() + LONGEST_EXCHANGE_MILLISECONDS;
  const live = await findLiveSession(connection, token);
  if (!live || !kinds.includes(live.account.kind)) return { kind: 'refused' };
  const { account, session, refreshToken: used } = live;
  const now = new Date();
  const endAsReused = async (): Promise<Continuation> => {
    await sessions(connection).updateOne({ _id: session._id }, { $set: { ended_at: now } });
    return { kind: 'reused', account_id: account.account_id };
  };
  if (isLongUsed(used.used_at, now)) return endAsReused();
  requireTime(until);
  await sessions(connection).updateOne(
    { _id: session._id },
    { $max: { expires_at: expiryOf(account, now) } },
  );
  // Before the token is used up, which is the last step: whoever gets no successor can send the same token again.
  const refreshToken = await addRefreshToken(connection, session._id, account, now);
  requireTime(until);
  if (isLongUsed(await markUsed(connection, used._id, now), now)) return endAsReused();
  return { kind: 'continued', account, refreshToken };
}

function isLongUsed(usedAt: Date | null | undefined, now: Date): boolean {
  return usedAt != null && now.getTime() - usedAt.getTime() > GRACE_MILLISECONDS;
}

/** @throws ServiceUnavailableError */
function requireTime(until: number): void {
  if (performance.now() > until)
    throw new ServiceUnavailableError('MongoDB is overloaded; try again in a moment', 2);
}

/**
 * Ends the session that the refresh token belongs to.
 *
 * @returns its account, or nothing when the token belongs to no session that goes on
 */
export async function endSession(connection: Connection, token: string): Promise<Account | undefined> {
  const live = await findLiveSession(connection, token);
  if (!live) return undefined;
  await sessions(connection).updateOne({ _id: live.session._id }, { $set: { ended_at: new Date() } });
  return live.account;
}

/**
 * Ends all sessions of the account that the refresh token belongs to, and makes its access tokens worthless. One write
 * does it: when that fails the token is as good as before, so that the caller can try again.
 *
 * @returns the account, or nothing when the token belongs to no session that goes on
 */
export async function endEverySession(connection: Connection, token: string): Promise<Account | undefined> {
  const live = await findLiveSession(connection, token);
  if (!live) return undefined;
  await endLogins(connection, live.account.account_id);
  return live.account;
}

interface LiveSession {
  readonly refreshToken: StoredRefreshToken;
  readonly session: StoredSession;
  readonly account: Account;
}

async function findLiveSession(connection: Connection, token: string): Promise<LiveSession | undefined> {
  const unexpired = { expires_at: { $gt: new Date() } };
  const refreshToken = await refreshTokens(connection).findOne({ _id: hashOf(token), ...unexpired });
  if (!refreshToken) return undefined;
  const session = await sessions(connection).findOne({ _id: refreshToken.session_id, ...unexpired });
  if (!session || session.ended_at) return undefined;
  const account = await findActiveAccount(connection, session.account_id);
  return account?.token_version === session.token_version ? { refreshToken, session, account } : undefined;
}

/** @returns when it was used before, or nothing when this is the first time */
async function markUsed(connection: Connection, tokenHash: string, now: Date): Promise<Date | undefined> {
  const before = await refreshTokens(connection).findOneAndUpdate(
    { _id: tokenHash },
    [{ $set: { used_at: { $ifNull: ['$used_at', now] } } }],
    { returnDocument: 'before' },
  );
  return before?.used_at ?? undefined;
}

async function addRefreshToken(
  connection: Connection,
  sessionId: string,
  account: Account,
  now: Date,
): Promise<string> {
  const token = `mr_refresh_${randomBytes(32).toString('base64url')}`;
  await refreshTokens(connection).insertOne({
    _id: hashOf(token),
    session_id: sessionId,
    expires_at: expiryOf(account, now),
  });
  return token;
}

function expiryOf(account: Account, from: Date): Date {
  return new Date(from.getTime() + REFRESH_TOKEN_SECONDS[account.kind] * 1_000);
}

/** The tokens are random, so a plain hash cannot be undone. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

function sessions(connection: Connection) {
  return usable(connection).collection<StoredSession>('account_sessions');
}

function refreshTokens(connection: Connection) {
  return usable(connection).collection<StoredRefreshToken>('refresh_tokens');
}
